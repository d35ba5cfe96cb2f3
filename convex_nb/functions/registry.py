"""Which function has which path."""

from __future__ import annotations

import difflib
import inspect
import threading
from collections.abc import Callable, Iterable, Mapping
from itertools import count
from typing import TYPE_CHECKING, Final, TypeAlias

from convex_nb.engine.namespaces import Namespace
from convex_nb.functions.definition import Function, Kind
from convex_nb.functions.determinism.installation import adopt_names
from convex_nb.functions.globals import Bindings, NotebookNames
from convex_nb.functions.paths import join_path, usual_spelling
from convex_nb.functions.references import Reference, is_in_component, path_of, visibility_of
from convex_nb.language.errors import FunctionNotFoundError, SchemaDefinitionError
from convex_nb.language.qualified_names import SEPARATOR, child_path, component_of, local_name, qualified

if TYPE_CHECKING:
    from collections.abc import Iterator

    from convex_nb.functions.components.component import Component

Target: TypeAlias = Function | Reference | str
"""How a call names what it calls."""
Ran: TypeAlias = "tuple[Entry | None, NotebookNames | None, Bindings | None]"
"""A function that was run from another by its path; the notebook's names that a function reads, and what they were."""

HANDLE: Final = "function://"
"""How a function handle begins; the rest is the whole path of a function."""

_versions = count(1)


class Entry:
    """One version of a function at a path. New code is a new entry; version numbers are never used again.

    `owner` stands for the registry. Functions of modules know their entry for ever, and must not keep by it all that
    a closed deployment held.
    """

    __slots__ = ("component", "function", "names", "namespace", "owner", "path", "version")

    def __init__(self, owner: object, path: str, function: Function) -> None:
        self.owner = owner
        self.path = path
        self.component = component_of(path)
        self.namespace = Namespace.of(self.component)
        self.function = function
        adopt_names(getattr(inspect.unwrap(function.handler), "__globals__", {}))
        # An action runs once, and may do what it likes.
        self.names = NotebookNames.of(function.handler, warns=function.kind != "action")
        self.version = next(_versions)


class Registry:
    """Functions by path. Redefinition is atomic: calls that run keep the code that they began with.

    `on_change` callbacks get the paths whose code is new or gone. Safe for threads.
    """

    def __init__(self) -> None:
        self.on_change: list[Callable[[frozenset[str]], None]] = []
        self._owner = object()
        self._entries: dict[str, Entry] = {}
        self._lock = threading.Lock()
        self._components: Mapping[str, Component] = {}
        # Where an installed component has the function with this handler.
        self._places: dict[tuple[str, int], str] = {}

    @property
    def functions(self) -> Mapping[str, Function]:
        """What the application has registered, by path."""
        return Functions(self._entries)

    @property
    def components(self) -> Mapping[str, Component]:
        """What is installed, by path."""
        return self._components

    def functions_of(self, component: str) -> Mapping[str, Function]:
        """What an installed component has registered, by the paths that it knows them by."""
        return Functions(self._entries, component)

    # -- defining ------------------------------------------------------------------------------------------------

    def register(self, functions: Iterable[Function], module: str | None = None) -> frozenset[str]:
        """Register functions, all or none; return the paths whose code is new.

        A function with a path of its own keeps it; the others are `module:name`. The same code again changes nothing.
        """
        return self._register([(module, function) for function in functions])

    def register_modules(self, modules: Mapping[str, Iterable[Function]]) -> frozenset[str]:
        """Register the functions of several modules at once, by the path of each module; else as `register`."""
        return self._register([(module, function) for module, functions in modules.items() for function in functions])

    def _register(self, functions: Iterable[tuple[str | None, Function]]) -> frozenset[str]:
        chosen: dict[str, Function] = {}
        for module, function in functions:
            if not isinstance(function, Function):
                raise SchemaDefinitionError(
                    f"{function!r} is not a function of a deployment: decorate it with `@query` or `@mutation`. "
                    "Nothing was registered."
                )
            if function.is_anonymous:
                raise SchemaDefinitionError(f"`{function.__name__}` has no name to register: give it a path.")
            path = function.given_path or join_path(module, function.__name__)
            if chosen.setdefault(path, function) is not function:
                raise SchemaDefinitionError(f'Two functions have the path "{path}". Nothing was registered.')
        changed = set()
        with self._lock:
            for path, function in chosen.items():
                if self._place(path, function):
                    changed.add(path)
        return self._announce(changed)

    def remove(self, paths: Iterable[str]) -> frozenset[str]:
        """Forget functions of the application; return the paths that were there.

        Their live queries fail until they are defined again.
        """
        own = [usual_spelling(path) for path in paths if SEPARATOR not in path]
        with self._lock:
            gone = {path for path in own if self._entries.pop(path, None) is not None}
        return self._announce(gone)

    def install(self, components: Mapping[str, Component]) -> frozenset[str]:
        """Have exactly these components, by path; return the whole paths of functions whose code is new or gone."""
        changed = set()
        places: dict[tuple[str, int], str] = {}
        with self._lock:
            for component, definition in components.items():
                for local, function in definition.functions.items():
                    path = qualified(component, local)
                    places[component, id(function.handler)] = path
                    if self._place(path, function.installed_in(component)):
                        changed.add(path)
            wanted = frozenset(places.values())
            gone = {path for path, entry in self._entries.items() if entry.component and path not in wanted}
            for path in gone:
                del self._entries[path]
            self._components, self._places = dict(components), places
        return self._announce(changed | gone)

    def _place(self, path: str, function: Function) -> bool:
        old = self._entries.get(path)
        if old is not None and old.function.is_same_as(function):
            # The newer object has the newer line numbers; the code, and so the version, is the same.
            old.function = function
            function.entry = old
            function.path = path
            return False
        function.path = path
        function.entry = self._entries[path] = Entry(self._owner, path, function)
        return True

    def _announce(self, changed: set[str]) -> frozenset[str]:
        paths = frozenset(changed)
        if paths:
            for callback in self.on_change:
                callback(paths)
        return paths

    # -- finding -------------------------------------------------------------------------------------------------

    def find(self, target: Target, kind: Kind, caller: str | None = None) -> Entry:
        """The function that a call means. A `Function` that is not known here is registered.

        `caller` is the path of the component whose code calls, `""` for the application's; whoever is outside of both
        may write the whole path of a component's function. Raises `FunctionNotFoundError` for an unknown path and for a
        function of another kind.
        """
        entry = self.resolve(target, caller)
        if entry.function.kind != kind:
            raise self._wrong_kind(entry, kind)
        return entry

    def resolve(self, target: Target, caller: str | None = None) -> Entry:
        """The same for a function of any kind."""
        if type(target) is Function:
            known = target.entry
            if known is not None and (known.owner is not self._owner or self._entries.get(known.path) is not known):
                known = None
            if caller or (target.component is not None and (known is None or caller is not None)):
                return self._in_component(target, caller)
            entry = known or self.adopt(target)
        elif type(target) is str:
            if target.startswith(HANDLE):
                return self.at(target.removeprefix(HANDLE))
            if caller is not None and SEPARATOR in target:
                raise self._not_found(target, caller)
            found = None if caller else self._entries.get(target)
            entry = found or self.at(qualified(caller or "", usual_spelling(target)))
        elif isinstance(target, Reference):
            entry = self._referred(target, caller or "")
        else:
            raise FunctionNotFoundError(
                f'{target!r} is no function: give a path ("tasks:list"), a decorated function or `api.tasks.list`.'
            )
        return entry

    def find_public(self, target: Target, kind: Kind) -> Entry:
        """The same for a client, to whom an internal function is as if it were not there."""
        try:
            entry = self.resolve(target)
        except FunctionNotFoundError as error:
            if not error.path:
                raise
            path = error.path
        else:
            if entry.function.visibility == "public" and not entry.component:
                if entry.function.kind != kind:
                    raise self._wrong_kind(entry, kind)
                return entry
            path = entry.path
        public = [path for path, function in self.functions.items() if function.visibility == "public"]
        near = difflib.get_close_matches(usual_spelling(path), public, n=3, cutoff=0.65)
        hint = f" Did you mean {_either(near)}?" if near else ""
        raise FunctionNotFoundError(f'Could not find public function for "{path}".{hint}', path=path, available=near)

    def at(self, path: str) -> Entry:
        """The function with this path, however it is spelled. Raises `FunctionNotFoundError`."""
        entry = self._entries.get(usual_spelling(path))
        if entry is None:
            raise self._not_found(path, component_of(path))
        return entry

    def knows(self, path: str) -> bool:
        """Tell whether there is a function at this whole path."""
        return usual_spelling(path) in self._entries

    def holds(self, entry: Entry) -> bool:
        """Tell whether an entry is the one at its path; one that is not lives as long as somebody uses it."""
        return self._entries.get(entry.path) is entry

    def ran(self, entry: Entry) -> Ran:
        """What a result rests on that has come about by running this function as well."""
        names = entry.names
        return (entry if self.holds(entry) else None), names, None if names is None else names.current()

    def stands(self, ran: Iterable[Ran]) -> bool:
        """Tell whether running the same again would run the same code, over the same names of the notebook."""
        for entry, names, bindings in ran:
            if entry is not None and not self.holds(entry):
                return False
            if names is not None and names.current() is not bindings:
                return False
        return True

    def adopt(self, function: Function) -> Entry:
        """The entry of a function that was handed in by itself; it is registered unless that would hide another one."""
        entry = function.entry
        if entry is not None and entry.owner is self._owner and self._entries.get(entry.path) is entry:
            return entry
        path = function.path or (function.__name__ if function.is_anonymous else join_path(None, function.__name__))
        holder = self._entries.get(path)
        is_sibling = holder is not None and function.given_path is None and function.is_sibling_of(holder.function)
        if function.is_anonymous or (is_sibling and holder and not function.is_same_as(holder.function)):
            # Siblings come from one `def` over different closures: both are wanted at once, the path holds one.
            if entry is None or entry.owner is not self._owner:
                entry = function.entry = Entry(self._owner, path, function)
            return entry
        elsewhere = holder is not None and function.__module__ not in ("__main__", holder.function.__module__)
        if elsewhere and function.path is None:
            path = join_path(function.__module__.replace(".", "/"), function.__name__)
        with self._lock:
            is_new = self._place(path, function)
            entry = self._entries[path]
        if is_new:
            self._announce({path})
        return entry

    def _in_component(self, function: Function, caller: str | None) -> Entry:
        """The instance of a function that belongs to a component, or is meant to."""
        handler = id(function.handler)
        if caller is None:
            places = [path for (_, known), path in list(self._places.items()) if known == handler]
        else:
            places = [path for path in [self._places.get((caller, handler))] if path is not None]
        if len(places) == 1:
            return self._entries[places[0]]
        name = function.__name__
        if caller:
            text = f'`{name}` is not a function of the component "{caller}", which has to be handed others: see '
            text += "`create_function_handle`."
        elif places:
            text = f"`{name}` is one function of several instances: call it as `components.<name>.{name}`."
        elif caller is None:
            text = f'The component "{function.component}" of `{name}` is not installed: `dep.push(components=[...])`.'
        else:
            text = f'`{name}` belongs to the component "{function.component}": call it as `components.<name>.{name}`.'
        raise FunctionNotFoundError(f"{text} It did not run.", path=function.path or name)

    def _referred(self, reference: Reference, caller: str) -> Entry:
        path = path_of(reference)
        if is_in_component(reference):
            child, local = component_of(path), local_name(path)
            component = child_path(caller, child)
            if component not in self._components:
                raise self._no_component(component, caller)
            path = qualified(component, local)
        elif caller:
            path = qualified(caller, path)
        entry = self._entries.get(path)
        if entry is None:
            raise self._not_found(path, component_of(path))
        if entry.function.visibility != visibility_of(reference):
            if is_in_component(reference):
                raise FunctionNotFoundError(
                    f'"{local_name(path)}" is internal to the component "{component_of(path)}": only its own functions '
                    "call it. It did not run.",
                    path=path,
                )
            root, _, rest = repr(reference).partition(".")
            other = "internal" if root == "api" else "api"
            raise FunctionNotFoundError(
                f'"{path}" is {entry.function.visibility}: write `{other}.{rest}`. It did not run.', path=path
            )
        return entry

    def _no_component(self, path: str, user: str) -> FunctionNotFoundError:
        known = [each for each in self._components if each.rpartition("/")[0] == user]
        of = f' of the component "{user}"' if user else ""
        near = difflib.get_close_matches(path, known, n=3, cutoff=0.65)
        if near:
            hint = f" Did you mean {_either(near)}?"
        else:
            hint = f" Installed: {', '.join(known) or 'none'}. `dep.push(components=[...])` installs them."
        return FunctionNotFoundError(f'There is no component "{path}"{of}. It did not run.{hint}', path=path)

    def _not_found(self, path: str, component: str = "") -> FunctionNotFoundError:
        if component and component not in self._components and SEPARATOR in path:
            return self._no_component(component, component.rpartition("/")[0])
        known = [qualified(component, each) for each in self.functions_of(component)]
        named = [each for each in known if each.rpartition(":")[2] == path]
        near = named[:3] or difflib.get_close_matches(usual_spelling(path), known, n=3, cutoff=0.65)
        if near:
            hint = f" Did you mean {_either(near)}?"
        elif known:
            hint = " Has its cell been run, or its module been loaded?"
        else:
            hint = " No function is registered yet: run the cell that defines it, or `dep.load` its module."
        return FunctionNotFoundError(f'Could not find function "{path}".{hint}', path=path, available=near)

    def _wrong_kind(self, entry: Entry, kind: Kind) -> FunctionNotFoundError:
        actual = entry.function.kind
        return FunctionNotFoundError(
            f'"{entry.path}" is {_article(actual)}, not {_article(kind)}: call it with `{actual}` or `run_{actual}`. '
            "It did not run.",
            path=entry.path,
        )


def _either(paths: Iterable[str]) -> str:
    return " or ".join([f'"{path}"' for path in paths])


def _article(kind: Kind) -> str:
    return f"an {kind}" if kind == "action" else f"a {kind}"


class Functions(Mapping[str, Function]):
    """A read-only view of what is registered, in the order of paths; any spelling of a path finds its function.

    Those of a component, or of the application; asked for by their whole paths, the latter finds those of components.
    """

    def __init__(self, entries: Mapping[str, Entry], component: str = "") -> None:
        self._entries = entries
        self._component = component

    def __getitem__(self, path: str) -> Function:
        if not isinstance(path, str) or (self._component and SEPARATOR in path):
            raise KeyError(path)
        return self._entries[qualified(self._component, usual_spelling(path))].function

    def __iter__(self) -> Iterator[str]:
        entries = list(self._entries.items())
        return iter(sorted([local_name(path) for path, entry in entries if entry.component == self._component]))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __repr__(self) -> str:
        lines = [f"{function.visibility} {function.kind} {path}{function.signature}" for path, function in self.items()]
        return "\n".join(lines) or "no functions"

"""Completion: options and commands on a magic's line; functions, tables, indexes and fields in code."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from IPython.core.completer import CompletionContext, SimpleCompletion, context_matcher

from convex_nb.deployment.current import current
from convex_nb.deployment.definitions import names_after
from convex_nb.language.documents import SYSTEM_FIELDS
from convex_nb.language.errors import DeploymentClosedError
from convex_nb.notebook.commands import COMMANDS
from convex_nb.views.columns import columns_of_table
from convex_nb.views.dashboard.pages import PAGES

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from convex_nb.deployment.deployment import Deployment

_MAGIC: Final = re.compile(r"\s*%%?(?P<name>convex\w*)(?P<rest>(\s.*)?)$")
_TABLE: Final = re.compile(
    r"\bdb\.(?:query|insert|insert_many|get|patch|replace|delete|normalize_id)\(\s*[\"'](\w*)$|\.vector_search\(\s*[\"'](\w*)$"
)
_FUNCTION: Final = re.compile(r"(?:\blive|\.query|\.mutation|\.watch|\.subscribe|\.run_\w+)\(\s*[\"']([\w/:]*)$")
_INDEX: Final = re.compile(r"\.with_index\(\s*[\"'](\w*)$")
_SEARCH: Final = re.compile(r"\.with_search_index\(\s*[\"'](\w*)$")
_FIELD: Final = re.compile(r"\.(?:field|search|eq|gt|gte|lt|lte)\(\s*[\"'](\w*)$")
_RANGE: Final = re.compile(r"\.with_index\(\s*[\"'](\w+)[\"']\s*,(?:[^()]*,)?\s*(\w*)$")
_REFERENCE: Final = re.compile(r"(?<![\w.])((\w+)(?:\.\w+)*)\.\w*$")
_QUERIED: Final = re.compile(r"\bdb\.query\(\s*[\"'](\w+)[\"']")


def add_matcher(shell: InteractiveShell) -> Callable[[], None]:
    """Let a shell complete our names; return what undoes it."""

    @context_matcher(identifier="convex_nb", priority=100)  # type: ignore[untyped-decorator]
    def matcher(context: CompletionContext) -> dict[str, Any]:
        words = completions(shell, context)
        if words is None:
            return {"completions": []}
        # The token ends at a colon, but a path does not: what was typed before it is not typed again.
        before = context.text_until_cursor[: len(context.text_until_cursor) - len(context.token)]
        prefix = re.search(r"[\w/]*:$", before)
        typed = prefix[0] if prefix else ""
        found = [word[len(typed) :] for word in words if word.startswith(typed + context.token)]
        return {"completions": [SimpleCompletion(word, type="convex") for word in found], "suppress": bool(found)}

    shell.Completer.custom_matchers.append(matcher)
    return lambda: shell.Completer.custom_matchers.remove(matcher)


def completions(shell: InteractiveShell, context: CompletionContext) -> Iterable[str] | None:
    """Return the words that may stand where the cursor is, or None where nothing of ours may."""
    try:
        deployment = current()
    except DeploymentClosedError:
        return None
    magic = _MAGIC.match(context.text_until_cursor)
    if magic is not None:
        return _on_magic_line(shell, deployment, magic["name"], magic["rest"])
    reference = _REFERENCE.search(context.text_until_cursor)
    if reference is not None:
        # IPython itself does not look past the first attribute: it does not run `__getattr__`.
        names = names_after(shell.user_ns.get(reference[2]), reference[1].split(".")[1:])
        return None if names is None else [f"{reference[1]}.{name}" for name in names]
    lines = context.full_text.split("\n")
    return _in_code(deployment, "\n".join([*lines[: context.cursor_line], context.text_until_cursor]))


def _on_magic_line(shell: InteractiveShell, deployment: Deployment, name: str, rest: str) -> Iterable[str] | None:
    if not rest:
        return None  # still typing the magic's name, which IPython completes
    words = rest.split() if rest[-1].isspace() else rest.split()[:-1]
    if name == "convex":
        if not words:
            return [command for command in COMMANDS if command != "status"]
        after = {
            "explain": deployment.functions,
            "drop": deployment.functions,
            "display": ("static", "live"),
            "dashboard": PAGES,
        }
        return after.get(words[0])
    magic = shell.magics_manager.magics["cell"].get(name)
    if magic is None:
        return None
    options = [
        option for option in magic.parser._option_string_actions if option.startswith("--") and option not in words
    ]
    modules = {path.partition(":")[0] for path in deployment.functions if ":" in path}
    takes_module = any(action.dest == "module" for action in magic.parser._actions)
    return [*options, *(sorted(modules) if takes_module else ())]


def _in_code(deployment: Deployment, before: str) -> Iterable[str] | None:
    if _TABLE.search(before):
        return deployment.tables
    if _FUNCTION.search(before):
        return deployment.functions
    queried = _QUERIED.findall(before)
    table = deployment.tables.get(queried[-1]) if queried else None
    if table is None:
        return None
    if _INDEX.search(before):
        return table.indexes
    if _SEARCH.search(before):
        return table.searches
    ranged = _RANGE.search(before)
    if ranged:
        return [f"{field}=" for field in table.indexes.get(ranged[1], ())]
    if _FIELD.search(before):
        schema = deployment.schema
        declared = schema.tables.get(table.name) if schema is not None else None
        return [*columns_of_table(declared), *SYSTEM_FIELDS] if declared is not None else None
    return None

"""Tools: what a language model may ask for, and who does it."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from convex_nb import InvalidValueError, define_component, to_plain_json, v
from convex_nb.stock.awaited import result_of

if TYPE_CHECKING:
    from convex_nb import ActionCtx
    from convex_nb.language.validator import Validator
    from convex_nb.stock.agents.agent import Agent

Handler: TypeAlias = Callable[..., Any]
MOST_BYTES: Final = 1_000_000
"""Of one text: a message is a document, and has room for little more."""
_TOLD: Final = 2000


class ToolCtx:
    """What a tool's handler gets: the context of the action, and for whom it works."""

    def __init__(self, ctx: ActionCtx, agent: Agent, thread: str, user: str | None, prompt_message: str) -> None:
        self._ctx = ctx
        self.agent = agent
        self.thread = thread
        self.user = user
        self.prompt_message = prompt_message

    def __repr__(self) -> str:
        return f"ToolCtx({self._ctx!r}, thread={self.thread!r})"

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ctx, name)


class Tool:
    """Something that a model may ask for by name.

    `args` are validators by name: what does not fit them is told to the model, and not run. Without a `handler` it is
    for somebody else to answer: the reply ends with the call, and `save_tool_result` has it go on.
    """

    def __init__(
        self,
        name: str,
        *,
        description: str = "",
        args: Mapping[str, Validator] | Validator | None = None,
        handler: Handler | None = None,
    ) -> None:
        self.name = name
        self.description = description
        self.args: Validator = v.object(dict(args or {})) if args is None or isinstance(args, Mapping) else args
        self.handler = handler

    def __repr__(self) -> str:
        return f"Tool({self.name!r}{'' if self.handler else ', without a handler'})"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the handler, as the plain function that it is."""
        if self.handler is None:
            raise InvalidValueError(f"The tool `{self.name}` has no handler: it was not run.")
        return self.handler(*args, **kwargs)

    @property
    def specification(self) -> dict[str, Any]:
        """What a model is told: `name`, `description`, and `parameters`, a JSON Schema."""
        return {"name": self.name, "description": self.description, "parameters": self.args.to_json_schema()}

    def run(self, ctx: ToolCtx, args: Mapping[str, Any]) -> dict[str, Any]:
        """Run the handler and return its result as `text`, or its `error`, of which the model is told as well."""
        try:
            checked: Any = self.args.validate(dict(args))
            text = as_text(result_of(self(ctx, **checked)))
            if (size := len(text.encode())) > MOST_BYTES:
                # A result that is too large for its message would be asked for again by each attempt.
                raise InvalidValueError(f"The result has {size} bytes; at most {MOST_BYTES} can be read.")
            return {"text": text, "error": None}
        except Exception as error:
            return {"text": f"It failed: {_clean(str(error))}", "error": as_error(error)}


def tool(handler: Handler, /) -> Tool:
    """Make a tool of a function `handler(ctx, ...)`: its name, its docstring, and the annotations of its parameters.

    Raises `SchemaDefinitionError` for one that takes no context, or what no value could be; `InvalidValueError`.
    """
    if not getattr(handler, "__name__", "").isidentifier():
        raise InvalidValueError(
            f"A tool is made of a `def` with a name, not of {handler!r}; `Tool(name, handler=...)` names any other. It "
            "was not made.",
            value=handler,
        )
    # The decorators of functions know how to read a signature; one of no component has nowhere to be registered.
    made = define_component("tools").internal_action(handler)
    return Tool(made.__name__, description=inspect.getdoc(handler) or "", args=made.args, handler=handler)


def tools_by_name(tools: Iterable[Tool | Handler]) -> dict[str, Tool]:
    """Tools by their names; plain functions become tools. Raises `InvalidValueError`."""
    found: dict[str, Tool] = {}
    for each in tools:
        made = each if isinstance(each, Tool) else tool(each)
        if made.name in found:
            raise InvalidValueError(f"Two tools are called `{made.name}`: a model could not tell them apart.")
        found[made.name] = made
    return found


def as_text(value: Any) -> str:
    """What a model reads of a value."""
    return value if isinstance(value, str) else json.dumps(to_plain_json(value), ensure_ascii=False)


def as_error(error: BaseException) -> str:
    """What is kept of an error, in a message that has to be saved whatever it is."""
    return _clean(f"{type(error).__name__}: {error}")


def _clean(text: str) -> str:
    return text[:_TOLD].encode(errors="replace").decode()

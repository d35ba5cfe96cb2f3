"""The body of a cell: compiled under the user's own lines, and run so that a failure leaves nothing behind."""

from __future__ import annotations

import ast
import builtins
import symtable
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError

from convex_nb.notebook.offered import offer

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


@dataclass(frozen=True)
class CellBody:
    """A parsed body. `handlers` are the names of the functions that it defines for registration: those at the top that
    take `ctx` first and do not start with an underscore. `bound` is every name that it binds."""

    tree: ast.Module
    source: str
    filename: str
    handlers: tuple[str, ...]
    bound: frozenset[str]

    @property
    def ends_in_expression(self) -> bool:
        return bool(self.tree.body) and isinstance(self.tree.body[-1], ast.Expr)


def parse_body(shell: InteractiveShell, magic_line: str, body: str) -> CellBody:
    """Parse the body of a cell magic. Raises `SyntaxError` at the user's own line, `UsageError` for an empty body.

    The text is cached under the name that IPython gives to the whole cell, first line included, so that tracebacks,
    `%debug`, breakpoints and `inspect.getsource` show the cell as it was typed.
    """
    text = f"{magic_line}\n{body}"
    filename = shell.compile.cache(text, _cell_number(shell), raw_code=text)
    source = f"\n{body}"
    tree = shell.compile.ast_parse(source, filename)
    assert isinstance(tree, ast.Module)
    if not tree.body:
        raise UsageError(f"{magic_line.split()[0]}: the cell is empty. Define a function or write an expression.")
    handlers = tuple(name for node in tree.body if (name := _handler_name(node)))
    if not handlers:
        _refuse_functions_without_context(magic_line, tree)
    return CellBody(tree, source, filename, handlers, frozenset(_bound(source, filename)))


def _cell_number(shell: InteractiveShell) -> int:
    """Return the number of the running cell; `execution_count` may be the next one's already."""
    history = shell.history_manager
    return shell.execution_count if history is None else len(history.input_hist_parsed) - 1


def _handler_name(node: ast.stmt) -> str | None:
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) or node.name.startswith("_"):
        return None
    first = [*node.args.posonlyargs, *node.args.args][:1]
    return node.name if first and first[0].arg == "ctx" else None


def _refuse_functions_without_context(magic_line: str, tree: ast.Module) -> None:
    """A cell of nothing but functions, none of which takes `ctx`, was meant to define one."""
    definitions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Import, ast.ImportFrom)
    functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    if functions and all(isinstance(node, definitions) for node in tree.body):
        raise UsageError(
            f"{magic_line.split()[0]}: {functions[0]} does not take `ctx` as its first parameter, so nothing was "
            f"registered. Write `def {functions[0]}(ctx, ...)`."
        )


def _bound(source: str, filename: str) -> Iterator[str]:
    for symbol in symtable.symtable(source, filename, "exec").get_symbols():
        if symbol.is_assigned() or symbol.is_imported():
            yield symbol.get_name()


@contextmanager
def all_or_nothing(namespace: MutableMapping[str, Any], names: frozenset[str]) -> Iterator[None]:
    """Put `names` back as they were if the block raises."""
    before = {name: namespace[name] for name in names if name in namespace}
    try:
        yield
    except BaseException:
        for name in names:
            if name in before:
                namespace[name] = before[name]
            else:
                namespace.pop(name, None)
        raise


def run_definitions(shell: InteractiveShell, body: CellBody) -> ast.Expression | None:
    """Run the cell in the notebook's namespace; return its last expression, not yet evaluated, if it ends in one."""
    statements = body.tree.body
    last: ast.Expression | None = None
    if body.ends_in_expression:
        *statements, end = statements
        assert isinstance(end, ast.Expr)
        last = ast.Expression(end.value)
    module = ast.Module(statements, type_ignores=[])
    offer(shell.user_ns, body.tree)
    exec(_compile(shell, module, body.filename, "exec"), shell.user_ns)
    return last


def run_cell(shell: InteractiveShell, body: CellBody, offered: Mapping[str, Any]) -> dict[str, Any]:
    """Run the cell over the notebook's namespace; what it binds is returned, in its order, and bound nowhere.

    `offered` are names that it may use without importing them; the notebook's own come first.
    """
    scope = {**offered, **shell.user_ns}
    exec(_compile(shell, body.tree, body.filename, "exec"), scope)
    return {name: value for name, value in scope.items() if name in body.bound}


def run_apart(shell: InteractiveShell, body: CellBody, offered: Mapping[str, Any]) -> dict[str, Any]:
    """Run the cell in a namespace of its own; what it binds is returned, and its functions know nothing else.

    It begins with `offered`, and of the notebook's with those names that the cell reads and nothing is offered for.
    """
    read = {node.id for node in ast.walk(body.tree) if isinstance(node, ast.Name)}
    scope = {name: shell.user_ns[name] for name in read if name in shell.user_ns} | {"__name__": "__main__", **offered}
    exec(_compile(shell, body.tree, body.filename, "exec"), scope)
    return {name: value for name, value in scope.items() if name in body.bound}


def evaluate(shell: InteractiveShell, body: CellBody, expression: ast.Expression) -> Any:
    """Evaluate the last expression of a cell in the notebook's namespace."""
    return eval(_compile(shell, expression, body.filename, "eval"), shell.user_ns)


def as_handler(shell: InteractiveShell, body: CellBody, parameters: Iterable[str] = ()) -> Callable[..., Any]:
    """Return the body as a function of `ctx` and `parameters`: `db` is bound, assignments are local, and a last
    expression is what it returns."""
    statements = list(body.tree.body)
    if body.ends_in_expression:
        end = statements[-1]
        assert isinstance(end, ast.Expr)
        statements[-1] = ast.copy_location(ast.Return(end.value), end)
    frame = ast.parse(f"def cell({', '.join(['ctx', *parameters])}):\n    db = ctx.db")
    (function,) = frame.body
    assert isinstance(function, ast.FunctionDef)
    for node in ast.walk(function):
        if isinstance(node, (ast.stmt, ast.expr, ast.arg)):
            node.lineno = node.end_lineno = 1
    function.body += statements
    scope: dict[str, Any] = {}
    offer(shell.user_ns, body.tree)
    exec(_compile(shell, frame, body.filename, "exec"), shell.user_ns, scope)
    made: FunctionType = scope["cell"]
    # Of a function, tracebacks would show its first statement, which is the magic's line; of a module they show all.
    made.__code__ = made.__code__.replace(co_name="<module>", co_qualname="<module>")
    return made


def _compile(shell: InteractiveShell, tree: ast.AST, filename: str, mode: str) -> CodeType:
    compiler: Any = shell.compile  # takes a tree as well, which its annotation does not say
    code: CodeType = compiler(tree, filename, mode)
    return code


def last_expression(body: CellBody, most: int = 60) -> str:
    """Return the text of the last expression on one line, shortened: how a view of an ad-hoc query is named."""
    segment = ast.get_source_segment(body.source, body.tree.body[-1]) or ""
    text = " ".join(segment.split())
    return text if len(text) <= most else text[: most - 1] + "…"


def returning_nothing(body: CellBody) -> frozenset[str]:
    """Return the handlers that can only answer None: those without a `return`, a `raise` and a decorator."""
    return frozenset(
        node.name
        for node in body.tree.body
        if isinstance(node, ast.FunctionDef)
        and not node.decorator_list
        and not any(isinstance(each, (ast.Return, ast.Raise)) for each in ast.walk(node))
    )


def is_builtin(name: str) -> bool:
    """Tell whether a name is one of Python's own, which a cell should not take away from the rest of the notebook."""
    return hasattr(builtins, name)

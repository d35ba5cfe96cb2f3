"""What goes into a function and what comes out of it, checked and normalised."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn

from convex_nb.language.describing import shorten
from convex_nb.language.errors import (
    ArgumentValidationError,
    InvalidValueError,
    LimitError,
    ReturnValidationError,
    ValidationError,
)
from convex_nb.language.limits import UNLIMITED
from convex_nb.language.validators import ObjectValidator
from convex_nb.language.values import UNDEFINED, size_of, to_value

if TYPE_CHECKING:
    from convex_nb.engine.database import Database
    from convex_nb.functions.definition import Function


def check_arguments(
    function: Function, path: str, given: Mapping[str, Any] | None, database: Database
) -> dict[str, Any]:
    """Return the arguments of a call, normalised, in containers of the callee's own.

    Raises `ArgumentValidationError`, `InvalidValueError` and `LimitError`; the function has not run then.
    """
    if given is None:
        given = {}
    elif type(given) is not dict:
        if not isinstance(given, Mapping):
            raise InvalidValueError(
                f'"{path}" takes its arguments as a dict, not {shorten(repr(given), 80)}. It did not run.', value=given
            )
        given = dict(given)
    try:
        arguments: dict[str, Any] = function.args.validate(given, tables=database.table_names)
        if database.limits.value_array_elements < UNLIMITED:
            # A validator knows types, not how large this deployment lets values be.
            to_value(arguments, limits=database.limits)
    except ValidationError as error:
        raise error.as_type(ArgumentValidationError, path) from None
    except InvalidValueError as error:
        reason = f'An argument of "{path}", which did not run: {error.reason}'
        raise InvalidValueError(reason, path=error.path, value=error.value) from None
    if type(arguments) is not dict:
        raise _no_object(arguments, path)
    if database.limits.argument_bytes < UNLIMITED:
        _check_size("arguments", path, size_of(arguments), database.limits.argument_bytes)
    return arguments


def adapt_arguments(function: Function, args: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return arguments as a client of another language names them under the names that the function has for them.

    It is the options of a page that have two: `paginationOpts`, and `pagination_opts` in Python.
    """
    if "paginationOpts" in args and isinstance(function.args, ObjectValidator):
        fields = function.args.fields
        if "pagination_opts" in fields and "paginationOpts" not in fields:
            return {"pagination_opts" if name == "paginationOpts" else name: value for name, value in args.items()}
    return args


def check_result(function: Function, path: str, value: Any, database: Database) -> Any:
    """Return what a handler returned as a value of the caller's own.

    A list of documents costs a copy of the list. Raises `ReturnValidationError`, `InvalidValueError` and `LimitError`.
    """
    if value is UNDEFINED:
        value = None
    if function.returns is not None:
        try:
            value = function.returns.validate(value, tables=database.table_names)
            if database.limits.value_array_elements < UNLIMITED:
                to_value(value, limits=database.limits)
        except ValidationError as error:
            raise error.as_type(ReturnValidationError, path) from None
        except InvalidValueError as error:
            _refuse_result(path, value, error)
    elif value is not None:
        try:
            value = to_value(value, limits=database.limits)
        except InvalidValueError as error:
            _refuse_result(path, value, error)
    if database.limits.return_bytes < UNLIMITED:
        _check_size("result", path, size_of(value), database.limits.return_bytes)
    return value


def _refuse_result(path: str, value: Any, error: InvalidValueError) -> NoReturn:
    if inspect.iscoroutine(value):
        value.close()
        raise InvalidValueError(
            f'"{path}" returned a coroutine: something that it calls is `async`, and was not awaited. Only an action '
            "may wait, as an `async def`.",
            value=value,
        ) from None
    reason = f'"{path}" returned what is not a Convex value: {error.reason}'
    raise InvalidValueError(reason, path=error.path, value=error.value) from None


def _check_size(what: str, path: str, used: int, limit: int) -> None:
    if used > limit:
        raise LimitError(
            f'"{path}": {used} bytes of {what}, and at most {limit} are allowed. Nothing was done with them. '
            "Pass less, or keep large data in documents.",
            kind=f"{what}_bytes",
            limit=limit,
            used=used,
        )


def _no_object(arguments: object, path: str) -> InvalidValueError:
    return InvalidValueError(
        f'"{path}" takes its arguments as an object, not {shorten(repr(arguments), 80)}. It did not run.',
        value=arguments,
    )

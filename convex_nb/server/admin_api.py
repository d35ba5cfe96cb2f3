"""What the administrator asks over HTTP: the documents in pages, their changes, their schemas; the environment."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec
from starlette.responses import Response

from convex_nb.language.errors import (
    HistoryError,
    InvalidCursorError,
    InvalidValueError,
    LimitError,
    ReadOnlyError,
    SchemaDefinitionError,
    ValidationError,
)
from convex_nb.server.http_api import Refused, decoded, guarded, json_response, plain_form

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import Route

    from convex_nb.deployment.deployment import Deployment
    from convex_nb.server.services import Services


Handle: TypeAlias = "Callable[[Request, Deployment], Awaitable[Any]]"


def admin_route(services: Services, path: str, handle: Handle, method: str) -> Route:
    """A route for the administrator alone; what `handle` returns is answered as JSON."""

    async def endpoint(request: Request) -> Response:
        caller = await services.caller(request.headers.get("authorization"))
        deployment = services.remote.administered_by(caller)
        try:
            return json_response(await handle(request, deployment))
        except HistoryError as error:
            raise Refused(400, "TimestampTooOld", str(error)) from None
        except InvalidCursorError as error:
            raise Refused(400, "InvalidCursor", str(error)) from None
        except (InvalidValueError, LimitError, ValidationError, SchemaDefinitionError) as error:
            raise Refused(400, "BadRequest", "\n".join([str(error), *getattr(error, "__notes__", [])])) from None
        except ReadOnlyError as error:
            raise Refused(403, "ReadOnly", str(error)) from None

    return guarded(path, endpoint, [method])


class Change(msgspec.Struct):
    """A variable and its new value, or `null` to remove it."""

    name: str
    value: str | None = None


class Changes(msgspec.Struct):
    """The body of a request that changes the environment."""

    changes: list[Change]


_changes_decoder: Final = msgspec.json.Decoder(Changes)


class AdminApi:
    """The endpoints for whoever has the admin key: `Authorization: Convex <admin key>`."""

    def __init__(self, services: Services) -> None:
        self._services = services

    @property
    def routes(self) -> list[Route]:
        """All of them."""
        return [
            self._route("/api/list_snapshot", self._list_snapshot),
            self._route("/api/document_deltas", self._document_deltas),
            self._route("/api/json_schemas", self._json_schemas),
            self._route("/api/v1/list_environment_variables", self._list_variables),
            self._route("/api/v1/update_environment_variables", self._update_variables, "POST"),
        ]

    def _route(self, path: str, handle: Handle, method: str = "GET") -> Route:
        return admin_route(self._services, path, handle, method)

    # -- documents -----------------------------------------------------------------------------------------------

    async def _list_snapshot(self, request: Request, deployment: Deployment) -> Any:
        asked = _parameters(request, "snapshot", "cursor", "tableName", "format")
        snapshot, table = _whole(asked, "snapshot"), asked.get("tableName")

        def page() -> Any:
            return _sent(deployment.list_snapshot(snapshot, asked.get("cursor"), table_name=table))

        return await self._services.run(page)

    async def _document_deltas(self, request: Request, deployment: Deployment) -> Any:
        asked = _parameters(request, "cursor", "tableName", "format")
        cursor, table = _whole(asked, "cursor"), asked.get("tableName")
        if cursor is None:
            raise Refused(
                400, "BadQueryParameters", "`cursor` is missing: the snapshot, or what the last page answered."
            )

        def page() -> Any:
            return _sent(deployment.document_deltas(cursor, table_name=table))

        return await self._services.run(page)

    async def _json_schemas(self, request: Request, deployment: Deployment) -> Any:
        asked = _parameters(request, "deltaSchema", "format")
        delta = asked.get("deltaSchema", "false")
        if delta not in ("true", "false"):
            raise Refused(400, "BadQueryParameters", f"`deltaSchema` is true or false, not {delta!r}.")
        return await self._services.run(lambda: deployment.json_schemas(delta=delta == "true"))

    # -- the environment -----------------------------------------------------------------------------------------

    async def _list_variables(self, _: Request, deployment: Deployment) -> Any:
        return {"environmentVariables": await self._services.run(lambda: dict(deployment.env))}

    async def _update_variables(self, request: Request, deployment: Deployment) -> Any:
        body = await decoded(request, _changes_decoder)
        values = {change.name: change.value for change in body.changes}

        def update() -> None:
            deployment.env.update({name: value for name, value in values.items() if value is not None})
            for name, value in values.items():
                if value is None:
                    deployment.env.pop(name, None)

        await self._services.run(update)
        return {}


def _parameters(request: Request, *known: str) -> dict[str, str]:
    """The parameters of the address. Raises `Refused` for one that is not known, which would be a mistyped one."""
    asked = dict(request.query_params)
    unknown = sorted(asked.keys() - {*known})
    if unknown:
        raise Refused(400, "BadQueryParameters", f"There is no parameter {unknown[0]!r}: there are {', '.join(known)}.")
    if asked.get("format", "json") != "json":
        raise Refused(400, "BadQueryParameters", f"`format` is json, not {asked['format']!r}.")
    return asked


def _whole(asked: dict[str, str], name: str) -> int | None:
    text = asked.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 20):
        raise Refused(400, "BadQueryParameters", f"`{name}` is a timestamp, a whole number, not {text!r:.80}.")
    return int(text)


def _sent(page: dict[str, Any]) -> dict[str, Any]:
    return {**page, "values": [_plain_document(value) for value in page["values"]]}


def _plain_document(document: dict[str, Any]) -> Any:
    # A timestamp has more digits than a number of documents may have.
    fields = {name: value for name, value in document.items() if name != "_ts"}
    return {**plain_form(fields), "_ts": document["_ts"]}

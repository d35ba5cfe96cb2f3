"""What connectors bring in over HTTP: the records of streams, which may have primary keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from convex_nb.deployment.data.upserting import records_of
from convex_nb.server.admin_api import admin_route
from convex_nb.server.http_api import Refused, decoded

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import Route

    from convex_nb.deployment.deployment import Deployment
    from convex_nb.server.services import Services

PREFIX: Final = "/api/streaming_import"


class Stream(msgspec.Struct, rename="camel"):
    """A table of what is imported; each part of the key is a path, as its steps."""

    primary_key: list[list[str]] | None = None
    json_schema: Any = None


class Message(msgspec.Struct, rename="camel"):
    """One record."""

    table_name: str
    data: dict[str, Any]


class Import(msgspec.Struct):
    """Records, in order, and the tables that they are of."""

    tables: dict[str, Stream]
    messages: list[Message]


class Names(msgspec.Struct, rename="camel"):
    """Tables to clear."""

    table_names: list[str]


class Tables(msgspec.Struct):
    """Tables to ask about."""

    tables: list[str]


class Keys(msgspec.Struct):
    """Primary keys, by table."""

    indexes: dict[str, list[list[str]]]


_imports: Final = msgspec.json.Decoder(Import)
_names: Final = msgspec.json.Decoder(Names)
_tables: Final = msgspec.json.Decoder(Tables)
_keys: Final = msgspec.json.Decoder(Keys)


class StreamingImport:
    """The endpoints that a connector calls, for whoever has the admin key."""

    def __init__(self, services: Services) -> None:
        self._services = services

    @property
    def routes(self) -> list[Route]:
        """All of them."""
        return [
            admin_route(self._services, f"{PREFIX}/{name}", handle, method)
            for method, name, handle in (
                ("PUT", "add_primary_key_indexes", self._add_keys),
                ("GET", "primary_key_indexes_ready", self._keys_ready),
                ("PUT", "clear_tables", self._clear),
                ("POST", "import_airbyte_records", self._import),
                ("POST", "replace_tables", self._replace),
            )
        ]

    async def _add_keys(self, request: Request, _: Deployment) -> Any:
        # Nothing has to be made ahead: an import finds documents by any fields, and by an index where there is one.
        for table, paths in (await decoded(request, _keys)).indexes.items():
            records_of(table, _paths(paths))
        return {}

    async def _keys_ready(self, request: Request, deployment: Deployment) -> Any:
        for table in request.query_params.getlist("tables") or (await decoded(request, _tables)).tables:
            deployment.table(table)
        return {"indexesReady": True}

    async def _clear(self, request: Request, deployment: Deployment) -> Any:
        names = (await decoded(request, _names)).table_names
        await self._services.run(lambda: deployment.clear_tables(*names))
        return {}

    async def _import(self, request: Request, deployment: Deployment) -> Any:
        body = await decoded(request, _imports)
        records: dict[str, list[dict[str, Any]]] = {name: [] for name in body.tables}
        for message in body.messages:
            if message.table_name not in records:
                raise Refused(
                    400,
                    "BadRequest",
                    f"There are records of {message.table_name!r:.80}, which `tables` lacks: nothing was imported.",
                )
            records[message.table_name].append(message.data)
        batches = [
            records_of(name, _paths(stream.primary_key or []), records[name]) for name, stream in body.tables.items()
        ]
        await self._services.run(lambda: deployment.import_records(*batches))
        return {}

    async def _replace(self, _: Request, __: Deployment) -> Any:
        raise Refused(
            400,
            "ReplaceTablesNotSupported",
            f"Tables are not replaced: PUT {PREFIX}/clear_tables, and import into them.",
        )


def _paths(paths: list[list[str]]) -> list[str]:
    return [".".join(steps) for steps in paths]

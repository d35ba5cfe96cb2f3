"""Functions over HTTP: one request, one call."""

from __future__ import annotations

import struct
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, TypeVar

import msgspec
from starlette.responses import Response
from starlette.routing import Route

from convex_nb.language.encoding import from_json, to_plain_json, to_wire_json, with_floats
from convex_nb.language.errors import AuthenticationError, DeploymentClosedError, HistoryError, InvalidValueError
from convex_nb.language.qualified_names import qualified
from convex_nb.language.values import UNDEFINED
from convex_nb.server.client_version import client_version, invalid_version
from convex_nb.server.messages import Json, timestamp_text
from convex_nb.server.security import problem

if TYPE_CHECKING:
    from starlette.requests import Request

    from convex_nb.deployment.remote.caller import Answer, Caller
    from convex_nb.server.services import Services

Form = TypeVar("Form")
AnyKind: TypeAlias = Literal["query", "mutation", "action", "any"]
Format: TypeAlias = Literal["convex_encoded_json", "convex_json", "json", "convex_clean_json", "export_json"]
ENCODED: Final = ("convex_encoded_json", "convex_json")
LARGEST_BODY: Final = 24 << 20

_encoder: Final = msgspec.json.Encoder()
_u64: Final = struct.Struct("<Q")


class Refused(Exception):  # noqa: N818 (it is no error of ours)
    """A request that did not get as far as a function."""

    def __init__(self, status: int, code: str, text: str) -> None:
        self.response = problem(status, code, text)
        super().__init__(text)


class Call(msgspec.Struct, rename="camel"):
    """The body of a request."""

    path: str
    args: dict[str, Any] | list[Any] = {}
    format: Format | None = None
    ts: str | None = None
    component_path: str | None = None

    @property
    def whole_path(self) -> str:
        """The path of the function, with that of its component."""
        return qualified(self.component_path or "", self.path)


class Arguments(msgspec.Struct):
    """The same where the path is in the address."""

    args: dict[str, Any] | list[Any] = {}
    format: Format | None = None


class Batch(msgspec.Struct):
    """Queries of one moment."""

    queries: list[Call]


_call_decoder: Final = msgspec.json.Decoder(Call)
_arguments_only_decoder: Final = msgspec.json.Decoder(Arguments)
_batch_decoder: Final = msgspec.json.Decoder(Batch)


def guarded(path: str, handle: Callable[[Request], Awaitable[Response]], methods: list[str] | None = None) -> Route:
    """A route, `POST` unless said; what keeps a request from being handled becomes an answer."""

    async def endpoint(request: Request) -> Response:
        stated = request.headers.get("convex-client")
        if stated is not None and client_version(stated) is None:
            return invalid_version()
        try:
            return await handle(request)
        except Refused as refused:
            return refused.response
        except AuthenticationError as error:
            return problem(400 if error.code == "InvalidAuthHeader" else 401, error.code, str(error))
        except DeploymentClosedError as error:
            return problem(503, "DeploymentClosed", str(error))

    return Route(path, endpoint, methods=methods or ["POST"])


class HttpApi:
    """The endpoints below `/api`."""

    def __init__(self, services: Services) -> None:
        self._services = services

    @property
    def routes(self) -> list[Route]:
        """All of them."""
        return [
            guarded("/api/query", self._query, ["GET", "POST"]),
            guarded("/api/query_at_ts", self._query_at),
            guarded("/api/query_batch", self._query_batch),
            guarded("/api/query_ts", self._timestamp),
            guarded("/api/mutation", self._mutation),
            guarded("/api/action", self._action),
            guarded("/api/function", self._function),
            guarded("/api/run/{path:path}", self._run),
        ]

    # -- endpoints -----------------------------------------------------------------------------------------------

    async def _query(self, request: Request) -> Response:
        if request.method == "GET":
            call = _call_of_address(request)
        else:
            call = await decoded(request, _call_decoder)
        return await self._called(request, "query", call)

    async def _mutation(self, request: Request) -> Response:
        return await self._called(request, "mutation", await decoded(request, _call_decoder))

    async def _action(self, request: Request) -> Response:
        return await self._called(request, "action", await decoded(request, _call_decoder))

    async def _function(self, request: Request) -> Response:
        return await self._called(request, "any", await decoded(request, _call_decoder))

    async def _run(self, request: Request) -> Response:
        *module, function = request.path_params["path"].split("/")
        if not module or not all([*module, function]):
            raise Refused(400, "MissingIdentifier", "The address is /api/run/<module>/<function>.")
        body = await decoded(request, _arguments_only_decoder)
        return await self._called(request, "any", Call(f"{'/'.join(module)}:{function}", body.args, body.format))

    async def _timestamp(self, _: Request) -> Response:
        return json_response({"ts": timestamp_text(self._services.remote.timestamp)})

    async def _query_at(self, request: Request) -> Response:
        call = await decoded(request, _call_decoder)
        return await self._called(request, "query", call, _timestamp_of(call.ts))

    async def _query_batch(self, request: Request) -> Response:
        batch = await decoded(request, _batch_decoder)
        caller = await self._caller(request)
        timestamp = self._services.remote.timestamp
        results = []
        for call in batch.queries:
            answer = await self._answer(caller, "query", call, timestamp)
            results.append(_body(answer, _format(call, request)))
        return json_response({"results": results})

    # -- calls ---------------------------------------------------------------------------------------------------

    async def _called(self, request: Request, kind: AnyKind, call: Call, timestamp: int | None = None) -> Response:
        answer = await self._answer(await self._caller(request), kind, call, timestamp)
        failure = answer.failure
        if failure is not None and failure.code is not None:
            raise Refused(503, failure.code, failure.message)
        # Encoded where it holds nobody up.
        return await self._services.run(lambda: json_response(_body(answer, _format(call, request))))

    async def _caller(self, request: Request) -> Caller:
        return await self._services.caller(request.headers.get("authorization"))

    async def _answer(self, caller: Caller, kind: AnyKind, call: Call, timestamp: int | None) -> Answer:
        args = await self._services.run(_arguments, call.args)
        if kind == "any":
            kind = caller.kind_of(call.whole_path)
        if kind == "action":
            return await self._services.run_action(caller.action, call.whole_path, args)
        if kind == "mutation":
            return await self._services.run(_mutate, caller, call.whole_path, args)
        try:
            return await self._services.run(caller.query, call.whole_path, args, timestamp)
        except HistoryError as error:
            raise Refused(400, "TimestampTooOld", str(error)) from None


def _mutate(caller: Caller, path: str, args: dict[str, Any]) -> Answer:
    answer = caller.mutation(path, args)
    caller.after_mutation()
    return answer


def json_response(content: Any) -> Response:
    """JSON that may be large."""
    return Response(_encoder.encode(content), media_type="application/json")


def _body(answer: Answer, format: Format) -> Json:
    encode = to_wire_json if format in ENCODED else plain_form
    failure = answer.failure
    if failure is None:
        body: Json = {"status": "success", "value": encode(answer.value)}
    else:
        body = {"status": "error", "errorMessage": failure.message}
        if failure.data is not UNDEFINED:
            body["errorData"] = encode(failure.data)
    if answer.log_lines:
        body["logLines"] = answer.log_lines
    return body


def plain_form(value: Any) -> Any:
    """The JSON form of a value that people read; every number is a float64."""
    return with_floats(to_plain_json(value))


def _format(call: Call, request: Request) -> Format:
    if call.format is not None:
        return call.format
    version = client_version(request.headers.get("convex-client", ""))
    return "convex_encoded_json" if version is not None and version.means_encoded else "json"


def _call_of_address(request: Request) -> Call:
    parameters = request.query_params
    fields: Json = {"path": parameters.get("path"), "format": parameters.get("format")}
    try:
        fields["args"] = msgspec.json.decode(parameters.get("args", "{}"))
        return msgspec.convert(fields, Call)
    except (msgspec.MsgspecError, UnicodeError, ValueError, RecursionError) as error:
        raise Refused(400, "BadQueryParameters", f"The address asks for nothing that there is: {error}") from None


async def decoded(request: Request, decoder: msgspec.json.Decoder[Form]) -> Form:
    """The body, if it has the decoder's form. Raises `Refused`."""
    body = await read_body(request, LARGEST_BODY)
    try:
        return decoder.decode(body or b"{}")
    except (msgspec.MsgspecError, UnicodeError, ValueError, RecursionError) as error:
        raise Refused(400, "BadJsonBody", f"The body could not be understood: {error}") from None


async def read_body(request: Request, largest: int) -> bytes:
    """The whole body. Raises `Refused` when it turns out to be too large, without reading on."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > largest:
            raise Refused(413, "BodyTooLarge", f"The body is larger than {largest >> 20} MiB.")
        chunks.append(chunk)
    return b"".join(chunks)


def _arguments(args: dict[str, Any] | list[Any]) -> dict[str, Any]:
    if isinstance(args, list):
        if len(args) > 1 or (args and not isinstance(args[0], dict)):
            raise Refused(400, "BadArguments", "`args` is an object, or a list of one.")
        args = args[0] if args else {}
    try:
        value = from_json(args)
    except InvalidValueError as error:
        raise Refused(400, "BadArguments", f"The arguments could not be understood: {error}") from None
    if not isinstance(value, dict):
        raise Refused(400, "BadArguments", "`args` is an object.")
    return value


def _timestamp_of(text: str | None) -> int:
    try:
        timestamp: int = _u64.unpack(b64decode(text or "", validate=True))[0]
    except (struct.error, Base64Error, ValueError):
        raise Refused(400, "InvalidTimestamp", "`ts` is what /api/query_ts has answered.") from None
    return timestamp

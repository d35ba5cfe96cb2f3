"""Requests and responses, as HTTP actions see them: the web's own, in snake_case."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from http import HTTPStatus
from typing import Any, Final, TypeAlias, overload
from urllib.parse import parse_qsl, quote, urlsplit

from convex_nb.language.describing import describe
from convex_nb.language.errors import InvalidValueError

Body: TypeAlias = str | bytes | Iterable[str | bytes] | None
HeadersLike: TypeAlias = Mapping[str, str] | Iterable[tuple[str, str]] | None

_REDIRECTS: Final = (301, 302, 303, 307, 308)
_NOT_A_HEADER: Final = frozenset("\r\n\0")


class Headers(MutableMapping[str, str]):
    """Headers by name, whatever its case. A header that came, or is sent, several times is joined by commas.

    Only `Set-Cookie` cannot be joined: `append` keeps each, and `items_to_send` has all of them.
    """

    def __init__(self, headers: HeadersLike = None) -> None:
        self._fields: dict[str, list[str]] = {}
        pairs = headers.items() if isinstance(headers, Mapping) else headers or ()
        for name, value in pairs:
            self.append(name, value)

    def append(self, name: str, value: str) -> None:
        """Add a value to a header."""
        self._fields.setdefault(_checked(name).lower(), []).append(_checked(value).strip())

    def __getitem__(self, name: str) -> str:
        return ", ".join(self._fields[name.lower()])

    def __setitem__(self, name: str, value: str) -> None:
        self._fields[_checked(name).lower()] = [_checked(value).strip()]

    def __delitem__(self, name: str) -> None:
        del self._fields[name.lower()]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._fields

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __repr__(self) -> str:
        return f"Headers({dict(self)!r})"

    def items_to_send(self) -> list[tuple[str, str]]:
        """Names and values, one pair for each line."""
        pairs = []
        for name, values in self._fields.items():
            pairs += [(name, each) for each in values] if name == "set-cookie" else [(name, ", ".join(values))]
        return pairs


def _checked(text: str) -> str:
    if not isinstance(text, str) or not _NOT_A_HEADER.isdisjoint(text):
        raise InvalidValueError(f"A header is a line of text, not {describe(text, 80)}.", value=text)
    try:
        text.encode("latin-1")
    except UnicodeEncodeError:
        raise InvalidValueError(f"A header is Latin-1 text, not {describe(text, 80)}.", value=text) from None
    return text


class _Message:
    """What both have: headers and a body."""

    headers: Headers
    _body: bytes

    def bytes(self) -> bytes:
        """The body."""
        return self._body

    def text(self) -> str:
        """The body as UTF-8; what is not is replaced."""
        return self.bytes().decode("utf-8", "replace")

    def form(self) -> dict[str, str]:
        """The fields of a form, as browsers send it by default; of several with one name the last."""
        return dict(parse_qsl(self.text(), keep_blank_values=True))


class Request(_Message):
    """A request: `method`, `url`, `headers`, and a body that has been read, `text()`, `json()`, `bytes()`, `form()`."""

    def __init__(
        self, url: str, *, method: str = "GET", headers: HeadersLike = None, body: str | bytes | None = None
    ) -> None:
        if not isinstance(url, str):
            raise InvalidValueError(f"The URL of a request is a string, not {describe(url, 80)}.", value=url)
        self.url: Final = url
        self.method: Final = method.upper()
        self.headers = Headers(headers)
        self._body = _encoded(body)

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.url}>"

    def json(self) -> Any:
        """The body as JSON. Raises `ValueError`."""
        return json.loads(self._body)

    @property
    def path(self) -> str:
        """The path of the URL, as it was written."""
        return quote(urlsplit(self.url).path, safe="/%:@!$&'()*+,;=~-._") or "/"

    @property
    def query(self) -> dict[str, str]:
        """The parameters of the URL; of several with one name the last."""
        return dict(parse_qsl(urlsplit(self.url).query, keep_blank_values=True))


class _Json:
    """`Response.json(value)` makes a response, `response.json()` reads one, as on the web."""

    @overload
    def __get__(self, response: None, owner: type[Response]) -> Callable[..., Response]: ...
    @overload
    def __get__(self, response: Response, owner: type[Response]) -> Callable[[], Any]: ...
    def __get__(self, response: Response | None, owner: type[Response]) -> Callable[..., Any]:
        return _response_of_json if response is None else lambda: json.loads(response.bytes())


def _response_of_json(value: Any, *, status: int = 200, headers: HeadersLike = None) -> Response:
    """A response whose body is JSON. Raises `TypeError` and `ValueError` for what JSON has no form for."""
    response = Response(json.dumps(value, allow_nan=False).encode(), status=status, headers=headers)
    response.headers.setdefault("content-type", "application/json")
    return response


class Response(_Message):
    """A response: a body, a status and headers. `Response.json(value)` and `Response.redirect(url)` make usual ones.

    The body is text, bytes, or an iterable of either, which is sent piece by piece.
    """

    json = _Json()

    def __init__(self, body: Body = None, *, status: int = 200, headers: HeadersLike = None) -> None:
        if not isinstance(status, int) or not 200 <= status <= 599:
            raise InvalidValueError(f"The status of a response is from 200 to 599, not {status!r}.", value=status)
        self.status: Final = status
        self.headers = Headers(headers)
        self.pieces: Iterable[str | bytes] | None = None
        if body is None or isinstance(body, (str, bytes, bytearray, memoryview)):
            self._body = _encoded(body)
            if isinstance(body, str):
                self.headers.setdefault("content-type", "text/plain;charset=UTF-8")
        elif isinstance(body, Iterable) and not isinstance(body, Mapping):
            self.pieces = body
        else:
            raise InvalidValueError(
                f"The body of a response is text, bytes, or an iterable of them, not {describe(body, 80)}. "
                "For JSON write `Response.json(value)`.",
                value=body,
            )

    def __repr__(self) -> str:
        return f"<Response {self.status} {self.headers.get('content-type', '')}".rstrip() + ">"

    @property
    def ok(self) -> bool:
        """Whether the status says that it went well."""
        return self.status < 300

    @property
    def status_text(self) -> str:
        """The status in words."""
        try:
            return HTTPStatus(self.status).phrase
        except ValueError:
            return ""

    @staticmethod
    def redirect(url: str, status: int = 302) -> Response:
        """A response that sends the caller elsewhere."""
        if status not in _REDIRECTS:
            raise InvalidValueError(f"The status of a redirection is one of {_REDIRECTS}, not {status!r}.")
        return Response(status=status, headers={"location": url})

    def encoded_pieces(self) -> Iterator[bytes]:
        """The body as bytes, piece by piece."""
        if self.pieces is None:
            yield self._body
        else:
            for piece in self.pieces:
                yield _encoded(piece)

    # The last one, since below it `bytes` is no type any more.
    def bytes(self) -> bytes:
        """The whole body; one that is in pieces is taken up."""
        if self.pieces is not None:
            self._body, self.pieces = b"".join([_encoded(piece) for piece in self.pieces]), None
        return self._body


def _encoded(body: Any) -> bytes:
    if body is None:
        return b""
    if isinstance(body, str):
        return body.encode(errors="replace")
    if isinstance(body, (bytes, bytearray, memoryview)):
        return bytes(body)
    raise InvalidValueError(f"A body is text or bytes, not {describe(body, 80)}.", value=body)

from __future__ import annotations

from typing import Any

import pytest

from convex_nb import InvalidValueError, Request, Response
from convex_nb.functions.http.messages import Headers


def test_headers_go_by_names_of_any_case() -> None:
    headers = Headers({"Content-Type": "text/html"})
    headers.append("Accept", "a")
    headers.append("accept", " b ")
    assert headers["ACCEPT"] == "a, b"
    assert "content-TYPE" in headers
    headers["Accept"] = "c"
    del headers["CONTENT-type"]
    assert dict(headers) == {"accept": "c"}
    assert len(headers) == 1
    assert headers.get("nothing") is None


@pytest.mark.parametrize("value", ["a\r\nx: y", "a\0", "ä€", 5, None])
def test_a_header_is_one_line(value: Any) -> None:
    with pytest.raises(InvalidValueError, match="A header is"):
        Headers({"x": value})
    with pytest.raises(InvalidValueError, match="A header is"):
        Headers({value: "x"})


def test_a_request_reads_its_parts() -> None:
    request = Request("https://x.example/a%20b/c?q=1&q=2&e=&u=%C3%A4", method="post", body='{"x": 1}')
    assert (request.method, request.path) == ("POST", "/a%20b/c")
    assert request.query == {"q": "2", "e": "", "u": "ä"}
    assert request.json() == {"x": 1}
    assert request.bytes() == b'{"x": 1}'
    assert Request("https://x.example", body="a=1&b=%20").form() == {"a": "1", "b": " "}
    assert Request("https://x.example").path == "/"
    assert Request("https://x.example", body=b"\xff").text() == "\ufffd"
    with pytest.raises(ValueError, match="Expecting value"):
        Request("https://x.example").json()
    with pytest.raises(InvalidValueError, match="URL of a request"):
        Request(5)  # type: ignore[arg-type]


def test_a_response_has_a_body_of_any_kind() -> None:
    assert Response("ä").headers["content-type"] == "text/plain;charset=UTF-8"
    assert Response("ä").bytes() == "ä".encode()
    assert "content-type" not in Response(b"x").headers
    assert Response("x", headers={"Content-Type": "text/html"}).headers["content-type"] == "text/html"
    pieces: list[str | bytes] = ["a", b"b"]
    assert Response(pieces).text() == "ab"
    made = Response.json({"a": [1, None]}, status=404)
    assert (made.status, made.ok, made.status_text, made.json()) == (404, False, "Not Found", {"a": [1, None]})
    assert Response(status=299).status_text == ""
    assert Response.redirect("https://x.example").headers["location"] == "https://x.example"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Response({"a": 1}), "write `Response.json"),
        (lambda: Response(5), "text, bytes, or an iterable"),  # type: ignore[arg-type]
        (lambda: Response(status=99), "from 200 to 599"),
        (lambda: Response(status="200"), "from 200 to 599"),  # type: ignore[arg-type]
        (lambda: Response.redirect("/x", 200), "status of a redirection"),
        (lambda: Response(iter([5])).bytes(), "text or bytes"),  # type: ignore[arg-type]
    ],
)
def test_a_response_that_cannot_be(make: Any, message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        make()

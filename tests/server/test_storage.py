from __future__ import annotations

import hashlib
from base64 import b64encode
from typing import Any

import httpx
import pytest

from convex_nb import Deployment, MutationCtx, QueryCtx, mutation, query
from convex_nb.server.server import Server
from convex_nb.server.storage import requested_part
from tests.server.app import open_app

BODY = bytes(range(256)) * 10_000


@mutation("files:upload")
def upload_url(ctx: MutationCtx) -> Any:
    return ctx.storage.generate_upload_url()


@query("files:url", args=None)
def file_url(ctx: QueryCtx, id: str) -> Any:
    return ctx.storage.get_url(id)


@pytest.fixture
def files(app: Deployment, server: Server) -> Deployment:
    app.register(upload_url, file_url)
    return app


def test_a_file_is_sent_and_fetched(files: Deployment, server: Server) -> None:
    url = files.mutation(upload_url)
    assert url.startswith(f"{server.url}/api/storage/upload?token=")
    digest = f"sha-256={b64encode(hashlib.sha256(BODY).digest()).decode()}"
    sent = httpx.post(url, content=BODY, headers={"content-type": "image/png", "digest": digest})
    assert sent.status_code == 200
    id = sent.json()["storageId"]
    assert files.files[id].read() == BODY
    address = files.query(file_url, id=id)
    assert address.startswith(f"{server.url}/api/storage/")
    fetched = httpx.get(address)
    assert fetched.content == BODY
    assert fetched.headers["content-type"] == "image/png"
    assert fetched.headers["digest"] == digest
    assert fetched.headers["cache-control"] == "private, max-age=2592000"
    head = httpx.head(address)
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(BODY)))
    # The same URL is good for another one.
    assert httpx.post(url, content=b"").json()["storageId"] != id
    files.files.delete(id)
    assert httpx.get(address).json()["code"] == "FileNotFound"


@pytest.mark.parametrize(
    ("header", "size", "part"),
    [
        (None, 10, None),
        ("bytes=0-", 10, (0, 10)),
        ("bytes=2-4", 10, (2, 5)),
        ("bytes=2-100", 10, (2, 10)),
        ("bytes=-3", 10, (7, 10)),
        ("bytes=-100", 10, (0, 10)),
        ("bytes=-0", 10, (10, 0)),
        ("bytes=10-", 10, (0, 0)),
        ("bytes=5-4", 10, (0, 0)),
        ("bytes=0-1,3-4", 10, (0, 0)),
        ("bytes=-", 10, (0, 0)),
        ("lines=1-2", 10, (0, 0)),
        ("bytes=0-1", 0, None),
    ],
)
def test_parts_that_are_asked_for(header: str | None, size: int, part: tuple[int, int] | None) -> None:
    assert requested_part(header, size) == part


def test_a_part_of_a_file(files: Deployment, server: Server) -> None:
    address = files.query(file_url, id=files.files.store(BODY))
    some = httpx.get(address, headers={"range": "bytes=1000-1999"})
    assert (some.status_code, some.content) == (206, BODY[1000:2000])
    assert some.headers["content-range"] == f"bytes 1000-1999/{len(BODY)}"
    refused = httpx.get(address, headers={"range": "bytes=0-1,4-5"})
    assert (refused.status_code, refused.headers["content-range"]) == (
        416,
        f"bytes */{len(httpx.get(address).content)}",
    )
    empty = files.query(file_url, id=files.files.store(b""))
    whole = httpx.get(empty, headers={"range": "bytes=0-1"})
    assert (whole.status_code, whole.content) == (200, b"")
    assert "content-range" not in whole.headers


def test_what_is_not_sent_as_it_was_meant(files: Deployment, server: Server) -> None:
    refused = httpx.post(f"{server.url}/api/storage/upload?token=x", content=b"x")
    assert (refused.status_code, refused.json()["code"]) == (401, "StorageTokenInvalid")
    refused = httpx.post(files.mutation(upload_url), content=b"x", headers={"digest": "sha-256=" + "A" * 43 + "="})
    assert refused.status_code == 400
    assert len(files.files) == 0
    assert httpx.get(f"{server.url}/api/storage/x").json()["code"] == "InvalidStoragePath"
    assert httpx.get(f"{server.url}/api/storage/{'0' * 32}").status_code == 404


def test_urls_follow_the_server() -> None:
    with open_app() as app:
        app.register(file_url)
        id = app.files.store(b"hi", content_type="text/plain")
        seen: list[str] = []
        app.subscribe(file_url, {"id": id}, seen.append)
        server = app.serve(port=0)
        assert httpx.get(seen[-1]).text == "hi"
        server.close()
        assert [url.partition(":")[0] for url in seen] == ["data", "http", "data"]


@pytest.mark.parametrize(
    ("kind", "policy"),
    [("text/html", "sandbox"), ("image/svg+xml", "sandbox"), ("Application/XML; a=b", "sandbox"), ("image/png", None)],
)
def test_nothing_of_a_file_is_run_as_a_page_of_the_server(
    files: Deployment, server: Server, kind: str, policy: str | None
) -> None:
    id = files.files.store(b"<script>alert(1)</script>", content_type=kind)
    assert httpx.get(files.query(file_url, id=id)).headers.get("content-security-policy") == policy

"""`ctx.storage` in every kind of function."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

import convex_nb
from convex_nb import (
    ActionCtx,
    Deployment,
    DocumentNotFoundError,
    InvalidIdError,
    InvalidValueError,
    LimitError,
    MutationCtx,
    QueryCtx,
    ReadOnlyError,
    ServerError,
    action,
    define_schema,
    define_table,
    mutation,
    query,
    v,
)
from convex_nb.language.limits import Limits
from convex_nb.testing import ConvexTest

DATA = b"\x00\x01 hello"
HEX = hashlib.sha256(DATA).hexdigest()


@action("files:store")
def store(ctx: ActionCtx, data: bytes, content_type: str | None = None, sha256: str | None = None) -> str:
    return ctx.storage.store(data, content_type=content_type, sha256=sha256)


@action("files:read")
def read(ctx: ActionCtx, id: str) -> Any:
    file = ctx.storage.get(id)
    return None if file is None else [file.read(), file.content_type, file.size, file.sha256]


@action("files:discard")
def discard(ctx: ActionCtx, id: str) -> None:
    ctx.storage.delete(id)


@query("files:look")
def look(ctx: QueryCtx, id: str) -> Any:
    return [ctx.storage.get_url(id), ctx.storage.get_metadata(id), ctx.db.system.get("_storage", id)]


@mutation("files:remove")
def remove(ctx: MutationCtx, id: str, fails: bool = False) -> Any:
    ctx.storage.delete(id)
    if fails:
        raise ValueError("no")
    return ctx.storage.get_url(id)


@mutation("files:ask")
def ask(ctx: MutationCtx) -> str:
    return ctx.storage.generate_upload_url()


FUNCTIONS = (store, read, discard, look, remove, ask)


def opened(**options: Any) -> Deployment:
    dep = convex_nb.open(**options)
    dep.register(*FUNCTIONS)
    return dep


def test_what_is_stored_is_known_everywhere() -> None:
    with opened() as dep:
        id = dep.action(store, data=DATA, content_type="application/x-test")
        url, metadata, document = dep.query(look, id=id)
        assert url == "data:application/x-test;base64,AAEgaGVsbG8="
        assert metadata == {"storageId": id, "sha256": HEX, "size": len(DATA), "contentType": "application/x-test"}
        assert document == {
            "_id": id,
            "_creationTime": document["_creationTime"],
            "sha256": HEX,
            "size": len(DATA),
            "contentType": "application/x-test",
        }
        assert dep.action(read, id=id) == [DATA, "application/x-test", len(DATA), HEX]
        dep.check()


def test_a_content_type_that_nobody_gave_is_absent() -> None:
    with opened() as dep:
        id = dep.action(store, data=b"")
        url, metadata, document = dep.query(look, id=id)
        assert url == "data:application/octet-stream;base64,"
        assert metadata["contentType"] is None
        assert "contentType" not in document
        assert dep.action(read, id=id) == [b"", None, 0, hashlib.sha256(b"").hexdigest()]


def test_the_digest_has_to_be_that_of_the_bytes() -> None:
    with opened() as dep:
        with pytest.raises(InvalidValueError, match="Nothing was stored"):
            dep.action(store, data=DATA, sha256=hashlib.sha256(b"other").hexdigest())
        assert len(dep.files) == 0
        with pytest.raises(InvalidValueError, match="64 hexadecimal digits"):
            dep.action(store, data=DATA, sha256="abc")
        dep.action(store, data=DATA, sha256=HEX.upper())
        assert len(dep.files) == 1


def test_a_mutation_that_raises_deletes_nothing() -> None:
    with opened() as dep:
        id = dep.action(store, data=DATA)
        with pytest.raises(ValueError, match="no"):
            dep.mutation(remove, id=id, fails=True)
        assert dep.action(read, id=id)[0] == DATA
        # A mutation sees its own deletion.
        assert dep.mutation(remove, id=id) is None
        assert dep.action(read, id=id) is None


def test_a_query_follows_the_file_that_it_asked_for() -> None:
    seen: list[Any] = []
    with opened() as dep:
        id = dep.action(store, data=DATA)
        other = dep.action(store, data=b"other")
        dep.subscribe(look, {"id": id}, seen.append)
        dep.mutation(remove, id=other)
        assert len(seen) == 1
        dep.mutation(remove, id=id)
        assert seen[1:] == [[None, None, None]]


@pytest.mark.parametrize("id", ["", "abc", "3gr3yfpvv2xsv9pgpyx0k9ewpah9y18", None])
def test_what_is_no_id_of_a_file_is_refused(id: Any) -> None:
    with opened() as dep:
        user = dep.transact(lambda db: db.insert("notes", {}))
        for given in (id, user):
            with pytest.raises(InvalidIdError, match=r"Invalid argument `storageId` for `storage\.getUrl`"):
                dep.query(query(lambda ctx, given=given: ctx.storage.get_url(given)))
            with pytest.raises(InvalidIdError, match=r"`storage\.delete`"):
                dep.mutation(mutation(lambda ctx, given=given: ctx.storage.delete(given)))


def test_deleting_what_is_not_there_is_an_error() -> None:
    with opened() as dep:
        id = dep.action(store, data=DATA)
        dep.action(discard, id=id)
        for function in (discard, remove):
            with pytest.raises(DocumentNotFoundError, match=f"storage id {id} not found") as caught:
                dep.run(function, {"id": id})
            assert caught.value.document_id == id


@pytest.mark.parametrize(
    ("kind", "name", "says"),
    [
        (query, "store", "in an action"),
        (query, "get", "get_url"),
        (query, "delete", "only reads"),
        (query, "generate_upload_url", "only reads"),
        (query, "getUrl", "get_url"),
        (mutation, "store", "in an action"),
        (mutation, "get", "get_url"),
        (action, "getMetadata", "get_metadata"),
    ],
)
def test_each_context_has_what_it_may_do(kind: Any, name: str, says: str) -> None:
    with opened() as dep, pytest.raises(AttributeError, match=says):
        dep.run(kind(lambda ctx: getattr(ctx.storage, name)))


def test_a_query_inside_a_mutation_only_reads() -> None:
    @query("files:inner")
    def inner(ctx: QueryCtx, id: str) -> Any:
        return [ctx.storage.get_url(id), hasattr(ctx.storage, "delete")]

    @mutation("files:outer")
    def outer(ctx: MutationCtx, id: str) -> Any:
        before = ctx.run_query(inner, id=id)
        ctx.storage.delete(id)
        return [before, ctx.run_query(inner, id=id), hasattr(ctx.storage, "delete")]

    with opened() as dep:
        dep.register(inner, outer)
        id = dep.files.store(b"x")
        assert dep.mutation(outer, id=id) == [
            ["data:application/octet-stream;base64,eA==", False],
            [None, False],
            True,
        ]


def test_a_context_that_was_kept_is_refused() -> None:
    kept: list[Any] = []
    with opened() as dep:
        id = dep.files.store(b"x")
        dep.query(query(lambda ctx: kept.append(ctx.storage)))
        dep.mutation(mutation(lambda ctx: kept.append(ctx.storage)))
        with pytest.raises(ReadOnlyError, match="is over"):
            kept[0].get_url(id)
        with pytest.raises(ReadOnlyError, match="is over"):
            kept[1].delete(id)
        assert id in dep.files


def test_validators_take_ids_of_files_only() -> None:
    schema = define_schema({"photos": define_table({"file": v.id("_storage")})})
    with opened() as dep:
        dep.push(schema)
        id = dep.files.store(b"x")
        photo = dep.transact(lambda db: db.insert("photos", {"file": id}))
        with pytest.raises(convex_nb.SchemaValidationError):
            dep.transact(lambda db: db.insert("photos", {"file": photo}))
        arguments = query("files:arguments", args={"id": v.id("_storage")})(lambda ctx, id: id)
        assert dep.query(arguments, id=id) == id
        with pytest.raises(convex_nb.ArgumentValidationError):
            dep.query(arguments, id=photo)


def test_a_large_file_has_no_url_without_a_server() -> None:
    with opened(limits=Limits(file_data_url_bytes=10)) as dep:
        small, large = dep.files.store(b"x" * 10), dep.files.store(b"x" * 11)
        assert dep.query(look, id=small)[0].startswith("data:")
        with pytest.raises(LimitError, match=r"dep\.files") as caught:
            dep.query(look, id=large)
        assert (caught.value.kind, caught.value.limit, caught.value.used) == ("file_data_url_bytes", 10, 11)


def test_queries_give_the_urls_of_a_server_once_there_is_one() -> None:
    seen: list[Any] = []
    with opened() as dep:
        id = dep.files.store(b"x")
        dep.subscribe(look, {"id": id}, lambda value: seen.append(value[0]))
        dep.files.url_base = "http://127.0.0.1:3210"
        url = dep.query(look, id=id)[0]
        token = url.removeprefix("http://127.0.0.1:3210/api/storage/")
        file = dep.files.by_token(token)
        assert file is not None
        assert (file.id, file.url) == (id, url)
        assert dep.files.by_token("00000000-0000-4000-8000-000000000000") is None
        dep.files.url_base = None
        assert [each.partition(":")[0] for each in seen] == ["data", "http", "data"]
        dep.files.delete(id)
        assert dep.files.by_token(token) is None


def test_urls_of_files_with_the_same_content_differ() -> None:
    with opened() as dep:
        dep.files.url_base = "http://h"
        first, second = dep.files.store(b"x"), dep.files.store(b"x")
        assert dep.files[first].url != dep.files[second].url
        dep.files.delete(first)
        assert dep.files[second].read() == b"x"


def test_an_upload_url_is_good_for_an_hour_and_many_files() -> None:
    with ConvexTest() as test:
        dep = test.deployment
        dep.register(*FUNCTIONS)
        url = dep.mutation(ask)
        assert url.startswith("/api/storage/upload?token=")
        first = dep.files.upload(url, b"one", "text/plain")
        test.advance(3_600_000)
        second = dep.files.upload(url, b"one")
        assert first != second
        assert [file.content_type for file in dep.files.values()] == ["text/plain", None]
        test.advance(1)
        with pytest.raises(convex_nb.UploadTokenError, match="older than an hour") as caught:
            dep.files.upload(url, b"one")
        assert caught.value.code == "StorageTokenExpired"
        assert len(dep.files) == 2


def test_upload_urls_cannot_be_made_up() -> None:
    with opened() as dep, opened() as other:
        url = dep.mutation(ask)
        assert url != dep.mutation(ask)
        made_up: Any
        for made_up in (other.mutation(ask), url[:-4] + "AAAA", "/api/storage/upload?token=é", "http://x/", None):
            with pytest.raises(convex_nb.UploadTokenError, match=r"[Nn]othing was") as caught:
                dep.files.upload(made_up, b"one")
            assert caught.value.code == "StorageTokenInvalid"
        dep.files.url_base = "http://127.0.0.1:3210"
        assert dep.mutation(ask).startswith("http://127.0.0.1:3210/api/storage/upload?token=")
        with pytest.raises(InvalidValueError, match="not those that were meant"):
            dep.files.accept_upload(url.partition("=")[2], iter([b"one"]), None, "sha-256=" + "A" * 43 + "=")
        assert len(dep.files) == 0


def test_actions_hand_out_upload_urls_as_well() -> None:
    with opened() as dep:
        url = dep.action(action(lambda ctx: ctx.storage.generate_upload_url()))
        assert dep.files.upload(url, b"x") in dep.files


def test_what_was_read_and_stored_is_in_the_log() -> None:
    events: list[Any] = []
    with opened() as dep:
        dep.logs.add_sink(events.extend)
        id = dep.action(store, data=DATA)
        dep.action(read, id=id)
        dep.query(look, id=id)
        records = [(each.path, each.file_bytes_read, each.file_bytes_written) for each in dep.logs.executions]
        assert records == [
            ("files:store", 0, len(DATA)),
            ("files:read", len(DATA), 0),
            ("files:look", len(DATA), 0),
        ]
    usage = events[0]["usage"]
    assert (usage["file_storage_read_bytes"], usage["file_storage_write_bytes"]) == (0, len(DATA))


def test_an_action_stores_for_good_and_at_once() -> None:
    seen: list[Any] = []

    @query("files:count")
    def count(ctx: QueryCtx) -> int:
        return len(ctx.db.system.query("_storage").collect())

    @action("files:fail")
    def fail(ctx: ActionCtx) -> None:
        ctx.storage.store(b"x")
        seen.append(ctx.run_query(count))
        raise ValueError("late")

    with opened() as dep:
        dep.register(count, fail)
        dep.subscribe(count, {}, seen.append)
        with pytest.raises((ValueError, ServerError), match="late"):
            dep.action(fail)
        assert seen == [0, 1, 1]

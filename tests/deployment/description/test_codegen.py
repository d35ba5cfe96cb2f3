"""`chat_api.py` is what codegen writes for `app.py`; that mypy passes this file says that its types are right."""

from __future__ import annotations

from pathlib import Path
from typing import Any, assert_type

import pytest

import convex_nb
from convex_nb import ArgumentValidationError, Id, MutationCtx, StorageError, mutation, query, v
from tests.deployment.description.app import open_app
from tests.deployment.description.chat_api import (
    AdminTools2ImportArgs,
    Api,
    Internal,
    MessagesDocument,
    MessagesRecentResultItem,
    Within,
)

WRITTEN = Path(__file__).with_name("chat_api.py")


def test_the_same_functions_and_schema_give_the_same_module(tmp_path: Path) -> None:
    with open_app() as dep:
        assert dep.codegen(tmp_path / "api.py") == dep.codegen() == WRITTEN.read_text(encoding="utf-8")
        with pytest.raises(StorageError, match="cannot be written: No such file"):
            dep.codegen(tmp_path / "nowhere" / "api.py")
    assert (tmp_path / "api.py").read_text(encoding="utf-8") == WRITTEN.read_text(encoding="utf-8")


def test_functions_are_methods_with_types() -> None:
    here: AdminTools2ImportArgs = {"from": "here", "raw": b"x"}
    with open_app() as dep, dep.client() as client:
        for caller in (dep, client):
            api = Api(caller)
            assert_type(api.messages.recent(moods=[]), list[MessagesRecentResultItem])
            assert api.messages.recent(moods=["good"])[0]["seen"] == 2
            assert_type(api.messages.send(body="hello", seen=3, tags={"a": 1}), Id)
            assert api.admin.tools_2.import_(**here) == ["here", b"x"]
            assert api.ping() == "pong"
        Internal(dep).messages.sweep()


def test_functions_call_others_with_types() -> None:
    @mutation("messages:greet")
    def greet(ctx: MutationCtx, body: str) -> str:
        api = Api(Within(ctx))
        sent = api.messages.send(body=body)
        assert_type(sent, Id)
        assert_type(api.messages.recent(moods=[]), list[MessagesRecentResultItem])
        Internal(Within(ctx)).messages.sweep()
        api.messages.send(bodi="hello")  # type: ignore[call-arg]
        return sent

    with open_app() as dep:
        dep.register(greet)
        with pytest.raises(ArgumentValidationError, match="bodi"):
            dep.mutation(greet, body="hello")
        assert dep.table("anything").count() == 0


def test_what_is_wrong_is_wrong_for_mypy_too() -> None:
    with open_app() as dep:
        api = Api(dep)
        with pytest.raises(ArgumentValidationError):
            api.messages.send(bodi="hello")  # type: ignore[call-arg]
        with pytest.raises(ArgumentValidationError):
            api.messages.send(body=5)  # type: ignore[arg-type]
        with pytest.raises(AttributeError):
            api.messages.sweep()  # type: ignore[attr-defined]


def test_documents_are_typed() -> None:
    def mood(document: MessagesDocument) -> str | None:
        assert_type(document["place"]["x"], float)
        return document["mood"]

    document: MessagesDocument = {
        "_id": Id("m"),
        "_creationTime": 0.0,
        "author": Id("u"),
        "body": "",
        "mood": "good",
        "place": {"x": 1.0, "y": 2.0},
    }
    assert mood(document) == "good"


@pytest.mark.parametrize(
    ("paths", "attributes"),
    [
        (("m", "m:f"), ("m", "m_")),  # a function beside a module of the same name
        (("a-b:f", "a_b:f"), ("a_b", "a_b_")),
        (("class:f", "2nd:g"), ("class_", "_2nd")),
    ],
)
def test_paths_that_are_no_names_are_made_names(paths: tuple[str, ...], attributes: tuple[str, ...]) -> None:
    with convex_nb.open() as dep:
        dep.register(*[query(path)(lambda ctx: None) for path in paths])
        namespace: dict[str, Any] = {}
        exec(dep.codegen(), namespace)
        api = namespace["Api"](dep)
        for attribute in attributes:
            assert hasattr(api, attribute)


def test_words_of_a_function_cannot_break_out_of_the_module() -> None:
    def told(ctx: Any) -> None: ...

    told.__doc__ = '''"""; boom() \\'''
    with convex_nb.open() as dep:
        dep.register(query("m:told", returns=v.union(v.literal('"'), v.literal("\\")))(told))
        namespace: dict[str, Any] = {}
        exec(dep.codegen(), namespace)
        assert namespace["M"].told.__doc__ == told.__doc__.strip()


def test_a_deployment_without_anything_gives_a_module_without_anything() -> None:
    with convex_nb.open() as dep:
        compile(dep.codegen(), "api.py", "exec")
        assert "class" not in dep.codegen()

"""Environment variables: in functions, from outside, and never shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import convex_nb
from convex_nb import (
    ActionCtx,
    Deployment,
    InvalidValueError,
    LimitError,
    MutationCtx,
    QueryCtx,
    ReadOnlyError,
    action,
    mutation,
    query,
)
from convex_nb.language.limits import Limits

SECRET = "s3cr3t"


@query("env:key")
def key(ctx: QueryCtx, name: str = "KEY") -> Any:
    return ctx.env.get(name)


@mutation("env:note")
def note(ctx: MutationCtx) -> Any:
    return [ctx.env["KEY"], len(ctx.env), list(ctx.env), "GONE" in ctx.env]


@action("env:act")
def act(ctx: ActionCtx) -> Any:
    return [ctx.env["KEY"], ctx.run_query(key)]


def test_every_kind_of_function_reads_them() -> None:
    with convex_nb.open() as dep:
        dep.register(key, note, act)
        assert dep.query(key) is None
        dep.env["KEY"] = SECRET
        assert dep.query(key) == SECRET
        assert dep.mutation(note) == [SECRET, 1, ["KEY"], False]
        assert dep.action(act) == [SECRET, SECRET]
        with pytest.raises(KeyError, match="no environment variable 'GONE'"):
            dep.query(query(lambda ctx: ctx.env["GONE"]))
        with pytest.raises(ReadOnlyError, match="set it from outside"):
            dep.mutation(mutation(lambda ctx: ctx.env.__setitem__("KEY", "x")))


def test_a_query_depends_on_what_it_has_asked_for() -> None:
    seen: list[Any] = []
    with convex_nb.open() as dep:
        dep.register(key)
        dep.subscribe(key, {"name": "KEY"}, seen.append)
        dep.env["KEY"] = "a"
        dep.env["OTHER"] = "b"
        dep.env["KEY"] = "c"
        del dep.env["KEY"]
        assert seen == [None, "a", "c", None]
        runs = [record for record in dep.logs.executions if record.path == "env:key" and not record.cached]
        assert len(runs) == 4


def test_a_mapping() -> None:
    with convex_nb.open() as dep:
        env = dep.env
        assert (dict(env), len(env), repr(env)) == ({}, 0, "no environment variables")
        env.update({"B": "2"}, A="1")
        env.update([("C", "")])
        assert dict(env) == {"A": "1", "B": "2", "C": ""}
        assert env.pop("A") == "1"
        assert env.setdefault("B", "3") == "2"
        with pytest.raises(KeyError, match="nothing was unset"):
            del env["A"]
        env.clear()
        assert not dep.env
        with pytest.raises(KeyError):
            env[5]  # type: ignore[index]


def test_setting_the_same_value_commits_nothing() -> None:
    with convex_nb.open() as dep:
        dep.env["KEY"] = "a"
        timestamp = dep.timestamp
        dep.env["KEY"] = "a"
        assert dep.timestamp == timestamp


@pytest.mark.parametrize(
    ("name", "value", "error", "message"),
    [
        ("", "a", InvalidValueError, "a letter first"),
        ("1A", "a", InvalidValueError, "a letter first"),
        ("_A", "a", InvalidValueError, "a letter first"),
        ("A B", "a", InvalidValueError, "letters, digits"),
        ("Ä", "a", InvalidValueError, "letters, digits"),
        ("A\n", "a", InvalidValueError, "letters, digits"),
        ("A" * 41, "a", InvalidValueError, "at most 40"),
        (5, "a", InvalidValueError, "cannot be the name"),
        ("A", 5, InvalidValueError, "is a string, not int"),
        ("A", "\ud800", InvalidValueError, "Unicode"),
        ("A", "ä" * 4097, LimitError, "8194 bytes; at most 8192 fit"),
    ],
)
def test_what_cannot_be_set(name: Any, value: Any, error: type[Exception], message: str) -> None:
    with convex_nb.open() as dep:
        with pytest.raises(error, match=message):
            dep.env.update({"FINE": "a", name: value})
        assert not dep.env


def test_what_can_be_set() -> None:
    with convex_nb.open() as dep:
        dep.env["a" * 40] = "ä" * 4096
        dep.env["B_2"] = ""
        assert len(dep.env) == 2


def test_there_are_only_so_many() -> None:
    with convex_nb.open(limits=Limits(environment_variables=3)) as dep:
        dep.env.update({"A": "1", "B": "2"})
        with pytest.raises(LimitError, match="would be 4 environment variables; at most 3"):
            dep.env.update({"C": "3", "D": "4"})
        assert list(dep.env) == ["A", "B"]
        dep.env.update({"A": "5", "C": "3"})


def shown_by(dep: Deployment) -> str:
    texts = [repr(dep), dep._repr_html_(), repr(dep.env), dep.env._repr_html_(), repr(dep.logs)]
    texts += [dep.logs.df().to_string(), dep.logs.executions.df().to_string(), repr(dep.statistics())]
    return "\n".join(texts)


def test_values_are_shown_nowhere() -> None:
    with convex_nb.open() as dep:
        dep.register(note)
        dep.env["KEY"] = SECRET
        dep.mutation(note)
        dep.env["KEY"] = SECRET + "2"
        for value in (SECRET * 2000, [SECRET]):
            with pytest.raises((LimitError, InvalidValueError)) as raised:
                dep.env["KEY"] = value  # type: ignore[assignment]
            assert SECRET not in str(raised.value) + repr(vars(raised.value))
        del dep.env["KEY"]
        assert SECRET not in shown_by(dep)
        assert [line.message for line in dep.logs] == [
            'The environment variable "KEY" was created.',
            'The environment variable "KEY" was updated.',
            'The environment variable "KEY" was deleted.',
        ]


def test_user_code_does_not_reach_the_table() -> None:
    with convex_nb.open() as dep:
        dep.env["KEY"] = SECRET
        with pytest.raises(InvalidValueError, match="no system table '_environment' to read"):
            dep.query(query(lambda ctx: ctx.db.system.query("_environment").collect()))
        with pytest.raises(InvalidValueError):
            dep.table("_environment")


def test_they_are_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.convex"
    with convex_nb.open(path) as dep:
        dep.env["KEY"] = "kept"
    with convex_nb.open(path, read_only=True) as dep:
        assert dict(dep.env) == {"KEY": "kept"}
        with pytest.raises(ReadOnlyError):
            dep.env["KEY"] = "x"
    with convex_nb.open() as dep:
        dep.env["KEY"] = "saved"
        dep.save(tmp_path / "b.convex")
        assert dep.env["KEY"] == "saved"


def test_changing_one_that_a_mutation_has_read_is_a_conflict() -> None:
    with convex_nb.open() as dep:
        dep.env["KEY"] = "a"
        attempts: list[str] = []

        def handler(ctx: MutationCtx) -> None:
            attempts.append(ctx.env["KEY"])
            if len(attempts) == 1:
                dep.env["KEY"] = "b"
            ctx.db.insert("notes", {"key": ctx.env["KEY"]})

        dep.mutation(mutation(handler))
        assert attempts == ["a", "b"]
        assert dep.table("notes").df()["key"].tolist() == ["b"]

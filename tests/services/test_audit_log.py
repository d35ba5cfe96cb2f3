"""What was changed about a deployment is written down by the commit that changed it, and outlives the process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import convex_nb
from convex_nb import SchemaValidationError, cron_jobs, define_schema, define_table, mutation, v
from convex_nb.engine.system_tables import SYSTEM_TABLES
from convex_nb.services import audit_log
from convex_nb.services.audit_log import TABLE

SCHEMA = define_schema({"notes": define_table({"text": v.string()})})


@mutation("jobs:tidy")
def tidy(ctx: Any) -> None:
    ctx.db.insert("notes", {"text": "tidy"})


def said(dep: convex_nb.Deployment) -> list[tuple[str, ...]]:
    return [(each.what, each.name, each.action) for each in dep.audit]


def test_it_outlives_the_process_and_is_of_the_same_commit(tmp_path: Path) -> None:
    path = tmp_path / "a.convex"
    with convex_nb.open(path) as dep:
        dep.register(tidy)
        crons = cron_jobs()
        crons.interval("tidy", {"hours": 1}, tidy)
        commits: list[Any] = []
        dep.on_commit.append(commits.append)
        dep.push(SCHEMA, crons=crons, auth=[{"domain": "https://a.example", "applicationID": "app"}])
        pushed = [
            ("schema", "notes", "added"),
            ("auth provider", "https://a.example", "added"),
            ("cron", "tidy", "added"),
        ]
        assert said(dep) == [("function", "jobs:tidy", "added"), *pushed]
        # One commit has all of it; the cron's first run may have made another by now.
        assert [commit for commit in commits if TABLE in commit.tables] == commits[:1]
        assert {TABLE, "_cron_jobs", "_auth_providers"} <= {*commits[0].tables}
        dep.env["KEY"] = "s3cr3t"
        dep.pause()
        before = list(dep.audit)[1:]
    with convex_nb.open(path) as dep:
        assert list(dep.audit) == before
        assert said(dep)[3:] == [("environment variable", "KEY", "added"), ("deployment", "", "paused")]
        dep.import_table("notes", [{"text": "a"}])
        dep.clear_tables("notes", "nowhere")
        assert said(dep)[5:] == [("import", "notes", "added to"), ("table", "notes", "cleared")]
        backup = dep.backup(tmp_path / "b.convex")
        newest = dep.audit.newest
    with convex_nb.open(backup, read_only=True) as dep:
        assert dep.audit.newest == newest
        # Nothing can be written: this process knows it all the same.
        dep.pause()
        assert said(dep)[-1] == ("deployment", "", "paused")
        assert len(dep.audit) == 8


def test_what_fails_or_changes_nothing_is_not_written_down() -> None:
    with convex_nb.open() as dep:
        dep.push(SCHEMA)
        dep.transact(lambda db: db.insert("notes", {"text": "a"}))
        before, timestamp = list(dep.audit), dep.timestamp
        dep.push(SCHEMA)
        assert dep.timestamp == timestamp
        with pytest.raises(SchemaValidationError):
            dep.push(define_schema({"notes": define_table({"n": v.number()})}))
        dep.clear_tables("nowhere")
        # What functions write is theirs, whole frames too.
        dep.transact(lambda db: db.insert_many("notes", pd.DataFrame({"text": ["b"] * 100})))
        with dep.fork() as fork:
            fork.env["KEY"] = "x"
            assert said(fork) == [("schema", "notes", "added"), ("environment variable", "KEY", "added")]
        assert list(dep.audit) == before


def test_the_oldest_are_let_go_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_log, "KEPT", 3)
    with convex_nb.open() as dep:
        for number in range(5):
            dep.env["KEY"] = str(number)
        while dep.work():
            pass
        assert len(dep._database.head.tables[TABLE]) == 5
        dep.env["KEY"] = "one more"
        while dep.work():
            pass
        kept = dep._database.head.tables[TABLE]
        assert len(kept) == 3
        assert [each.action for each in dep.audit] == ["changed"] * 3


def test_it_is_the_systems_own() -> None:
    assert not SYSTEM_TABLES[TABLE].public
    assert len({table.number for table in SYSTEM_TABLES.values()}) == len(SYSTEM_TABLES)

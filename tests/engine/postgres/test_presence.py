"""Who is there, and word from them."""

from __future__ import annotations

import threading

import pytest

from convex_nb.engine.postgres import presence
from convex_nb.engine.postgres.opening import open_shared_database
from tests.engine.postgres.kernels import insert, kernels, log_of
from tests.engine.postgres.server import Server


def test_word_of_a_commit_arrives_and_ones_own_is_no_news(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "POLL_SECONDS", 60)
    with kernels(uri) as (a, b):
        insert(a, "items", n=1)
        assert log_of(b).wait()
        assert not log_of(a).wait()
        assert b.follow(log_of(b))
        # Somebody wants it to stop.
        waited = threading.Thread(target=log_of(b).wait)
        waited.start()
        log_of(b).wake()
        waited.join(60)
        assert not waited.is_alive()


def test_without_word_it_is_looked_all_the_same(uri: str, monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
    monkeypatch.setattr(presence, "POLL_SECONDS", 0.01)
    with kernels(uri) as (a, b):
        assert log_of(b).wait()
        server.restart()
        # Whatever became of its connection, it goes on.
        for _ in range(3):
            assert log_of(b).wait()
        insert(a, "items", n=1)
        assert b.follow(log_of(b))


def test_who_is_there(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(presence, "BEAT_SECONDS", 0.0)
    with kernels(uri) as (a, b):
        log_of(a).wait()
        assert log_of(a).kernels() == {log_of(a).kernel, log_of(b).kernel}
        gone = open_shared_database(uri)
        name = log_of(gone).kernel
        log_of(a).wait()
        assert name in log_of(a).kernels()
        gone.close()
        log_of(a).wait()
        assert name not in log_of(a).kernels()
        # Who says nothing for long is gone, too.
        monkeypatch.setattr(presence, "GONE_SECONDS", 0.0)
        log_of(a).wait()
        assert log_of(a).kernels() == {log_of(a).kernel}


def test_closing_waits_for_nobody_who_waits(uri: str) -> None:
    opened = open_shared_database(uri)
    waiting = threading.Thread(target=log_of(opened).wait)
    waiting.start()
    opened.close()
    waiting.join(60)
    assert not waiting.is_alive()
    assert not log_of(opened).wait()

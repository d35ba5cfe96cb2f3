from __future__ import annotations

import hashlib
import hmac
import json
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

import convex_nb
from convex_nb import Deployment, InvalidValueError, query
from convex_nb.deployment.observability import webhook
from convex_nb.deployment.observability.webhook import Webhook
from tests.until import PATIENCE

SECRET = "a secret"


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "TIMEOUT_SECONDS", PATIENCE)


class Receiver(HTTPServer):
    """Takes what is posted, after having answered what it is told to."""

    def __init__(self, *answers: int) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers = list(answers)
        self.bodies: list[bytes] = []
        self.signatures: list[str] = []
        self.taken = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/logs"

    @property
    def events(self) -> list[dict[str, Any]]:
        return [event for body in self.bodies for event in json.loads(body)]


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = self.server.answers.pop(0) if self.server.answers else 200
        if status == 200:
            self.server.bodies.append(body)
            self.server.signatures.append(self.headers["x-webhook-signature"])
        self.send_response(status)
        self.send_header("Location", "http://127.0.0.1:1/elsewhere")
        self.end_headers()
        self.server.taken.set()

    def log_message(self, *_: Any) -> None: ...


@contextmanager
def receiver(*answers: int) -> Iterator[Receiver]:
    server = Receiver(*answers)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def calling() -> Deployment:
    dep = convex_nb.open()
    dep.register(query("m:one")(lambda ctx: print("hello")))
    return dep


def test_events_arrive_signed_and_the_last_ones_with_the_end() -> None:
    with receiver() as server:
        with calling() as dep:
            dep.logs.add_sink(server.url, secret=SECRET)
            dep.query("m:one")
        assert [event["topic"] for event in server.events] == ["verification", "console", "function_execution"]
        assert server.events[0]["convex"] == server.events[1]["convex"]
        for body, said in zip(server.bodies, server.signatures, strict=True):
            assert said == "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()


def test_lines_are_posted_as_lines_and_a_secret_is_made_up() -> None:
    with receiver() as server, calling() as dep:
        first = dep.logs.add_sink(server.url, form="jsonl")
        second = dep.logs.add_sink(server.url)
        assert isinstance(first, Webhook)
        assert isinstance(second, Webhook)
        assert len({first.secret, second.secret}) == 2
        dep.logs.remove_sink(second)
        dep.query("m:one")
        dep.logs.remove_sink(first)
        topics = [json.loads(line)["topic"] for body in server.bodies for line in body.splitlines() if line[:1] == b"{"]
        assert topics == ["verification", "console", "function_execution"]


def test_what_is_refused_is_tried_again_and_given_up_in_the_end(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A redirection is not followed: the log goes to one address only.
    with receiver(500, 302) as server:
        hook = Webhook(server.url)
        monkeypatch.setattr(hook._closed, "wait", lambda _: False)
        assert server.taken.wait(PATIENCE)
        hook.close()
        assert len(server.bodies) == 1
        assert hook.failed == 0
    with caplog.at_level(logging.WARNING, "convex_nb"):
        away = Webhook(server.url)
        away.close()
    assert away.failed == 1
    assert "1 log events were not taken by" in caplog.text
    assert SECRET not in caplog.text


def test_who_does_not_keep_up_loses_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "MOST_EVENTS", 5)
    monkeypatch.setattr(threading.Thread, "start", lambda _: None)
    hook = Webhook("http://127.0.0.1:1/")
    for n in range(10):
        hook([{"n": n}])
    assert ([event["n"] for event in hook._waiting], hook.failed) == ([5, 6, 7, 8, 9], 6)


def test_logs_go_only_where_nobody_else_reads_them(tmp_path: Path) -> None:
    with convex_nb.open() as dep:
        for address in ("http://logs.example/", "https://user:password@logs.example/", "https://", "http:// x"):
            with pytest.raises(InvalidValueError, match="address of a log sink"):
                dep.logs.add_sink(address)
        with pytest.raises(InvalidValueError, match="are for an address"):
            dep.logs.add_sink(tmp_path / "log.jsonl", secret=SECRET)
        with pytest.raises(InvalidValueError, match='"json" or "jsonl"'):
            dep.logs.add_sink("https://logs.example/", form="xml")  # type: ignore[arg-type]
        assert not dep.logs.sinks.any

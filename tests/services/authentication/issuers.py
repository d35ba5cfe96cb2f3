"""Issuers as they are met: one that is asked for its keys over HTTP, and tokens made by hand."""

from __future__ import annotations

import json
import threading
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

NOW = 1_800_000_000


@cache
def rsa_key(number: int = 0, size: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=size)


@cache
def ec_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def public(key: Any, id: str | None = "one", **more: Any) -> dict[str, Any]:
    make = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
    found = dict(make.to_jwk(key.public_key(), as_dict=True))
    return {**found, **({} if id is None else {"kid": id}), **more}


def data_uri(*keys: dict[str, Any]) -> str:
    return "data:text/plain;charset=utf-8;base64," + urlsafe_b64encode(json.dumps({"keys": keys}).encode()).decode()


def custom(*keys: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "type": "customJwt",
        "issuer": "https://issuer.test",
        "jwks": data_uri(*(keys or (public(rsa_key()),))),
        "algorithm": "RS256",
        "applicationID": "app",
        **more,
    }


def claims(**more: Any) -> dict[str, Any]:
    return {"iss": "https://issuer.test", "sub": "ada", "aud": "app", "exp": NOW + 3600, **more}


def signed(key: Any = None, algorithm: str = "RS256", header: Any = None, **more: Any) -> str:
    """A token of `rsa_key()`, unless it says otherwise."""
    wanted = {"kid": "one", **(header or {})}
    head = {name: value for name, value in wanted.items() if value is not None or name == "typ"}
    return jwt.encode(claims(**more), rsa_key() if key is None else key, algorithm=algorithm, headers=head)


def part(content: Any) -> str:
    text = content if isinstance(content, str) else json.dumps(content)
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


class Issuer:
    """An OIDC issuer: what it answers can be changed, and what it was asked is counted."""

    def __init__(self) -> None:
        self.keys: list[dict[str, Any]] = [public(rsa_key())]
        self.asked: list[str] = []
        self.answers: dict[str, tuple[int, bytes, dict[str, str]]] = {}
        self.url = ""

    def answer(self, path: str) -> tuple[int, bytes, dict[str, str]]:
        self.asked.append(path)
        if path in self.answers:
            return self.answers[path]
        if path.endswith("/.well-known/openid-configuration"):
            base = path.removesuffix("/.well-known/openid-configuration")
            found: dict[str, Any] = {"issuer": self.url + base, "jwks_uri": f"{self.url}/keys"}
        else:
            found = {"keys": self.keys}
        return 200, json.dumps(found).encode(), {}


@contextmanager
def issuing() -> Iterator[Issuer]:
    """An issuer on a port of this machine."""
    issuer = Issuer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body, headers = issuer.answer(self.path)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    issuer.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

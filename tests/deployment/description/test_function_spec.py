from __future__ import annotations

from typing import Any

from tests.deployment.description.app import open_app


def test_functions_and_http_actions_are_told_as_convex_tells_them() -> None:
    with open_app() as dep:
        spec = dep.function_spec()
    assert spec["url"] is None
    *functions, hook = spec["functions"]
    assert [each["identifier"] for each in functions] == [
        "admin/tools-2:import",
        "messages:recent",
        "messages:send",
        "messages:sweep",
        "ping",
    ]
    by_path: dict[str, Any] = {each["identifier"]: each for each in functions}
    assert by_path["messages:send"] == {
        "identifier": "messages:send",
        "functionType": "Mutation",
        "visibility": {"kind": "public"},
        "args": by_path["messages:send"]["args"],
        "returns": {"type": "id", "tableName": "anything"},
    }
    assert by_path["messages:send"]["args"]["value"]["body"] == {"fieldType": {"type": "string"}, "optional": False}
    assert by_path["messages:sweep"]["visibility"] == {"kind": "internal"}
    assert (by_path["ping"]["args"], by_path["ping"]["returns"]) == ({"type": "any"}, {"type": "any"})
    assert hook == {"functionType": "HttpAction", "method": "POST", "path": "/hook"}

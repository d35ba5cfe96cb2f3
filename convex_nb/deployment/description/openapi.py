"""What can be called over HTTP as an OpenAPI document: for tools that call HTTP APIs, or make clients of them."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from convex_nb.deployment.description.schemas_of_openapi import dialect
from convex_nb.language.validator_json import json_schema
from convex_nb.language.validators import ObjectValidator, UnionValidator, Validator

if TYPE_CHECKING:
    from convex_nb.functions.definition import Function
    from convex_nb.functions.http.router import Route

VERSION: Final = "3.0.3"
USUAL_URL: Final = "http://127.0.0.1:3210"
_LINES: Final = {"type": "array", "items": {"type": "string"}, "description": "What the function printed."}
_SCHEMAS: Final[dict[str, Any]] = {
    "Failure": {
        "type": "object",
        "description": "The function was called, and raised.",
        "properties": {
            "status": {"type": "string", "enum": ["error"]},
            "errorMessage": {"type": "string"},
            "errorData": {"description": "The data of a ConvexError."},
            "logLines": _LINES,
        },
        "required": ["status", "errorMessage"],
    },
    "Refused": {
        "type": "object",
        "description": "The request did not get as far as a function.",
        "properties": {"code": {"type": "string"}, "message": {"type": "string"}},
        "required": ["code", "message"],
    },
}
_TEXT: Final = {"type": "string"}
_WHATEVER: Final[dict[str, Any]] = {"*/*": {}}
_WITH_BODY: Final = ("POST", "PUT", "PATCH")
_REFUSALS: Final = {
    "400": "It makes no sense.",
    "401": "The token, or the key, is not good.",
    "403": "The page or the name is not let in.",
    "413": "It is too large.",
    "503": "A mutation gave up on conflicts and may be tried again, or the deployment is closed.",
}


def openapi(functions: Mapping[str, Function], routes: Iterable[Route], name: str, url: str | None) -> dict[str, Any]:
    """Return an OpenAPI 3.0 document with a path for each public function, and for each that HTTP actions answer.

    They are at `url` unless a client is told another.
    """
    public = {path: each for path, each in sorted(functions.items()) if each.visibility == "public"}
    paths: dict[str, Any] = {_address(path): {"post": _operation(path, each)} for path, each in public.items()}
    for route in routes:
        paths.setdefault(_site_address(route.path), {})[route.method.lower()] = _site_operation(route)
    host = {"default": url or USUAL_URL, "description": "Where the deployment is served."}
    return {
        "openapi": VERSION,
        "info": {"title": name, "version": "1", "description": f"What can be called of the deployment {name}."},
        "servers": [{"url": "{hostUrl}", "variables": {"hostUrl": host}}],
        # Nobody in particular may call, too: functions decide.
        "security": [{}, {"bearer": []}, {"admin": []}],
        "paths": paths,
        "components": {
            "schemas": _SCHEMAS,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                "admin": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "`Convex <admin key>`",
                },
            },
        },
    }


def _address(path: str) -> str:
    module, _, function = path.partition(":")
    return f"/api/run/{module}/{function or 'default'}"


def _operation(path: str, function: Function) -> dict[str, Any]:
    said = inspect.getdoc(function) or ""
    refusals = {status: _response(text, {"$ref": "#/components/schemas/Refused"}) for status, text in _REFUSALS.items()}
    result = {"anyOf": [_success(function.returns), {"$ref": "#/components/schemas/Failure"}]}
    return {
        "operationId": path,
        "tags": [path.partition(":")[0]],
        "summary": f"{function.kind.capitalize()} {path}",
        **({"description": said} if said else {}),
        "requestBody": {"required": True, "content": {"application/json": {"schema": _request(function.args)}}},
        "responses": {"200": _response("What it returned, or raised.", result), **refusals},
    }


def _site_address(path: str) -> str:
    written = path.replace("{", "%7B").replace("}", "%7D")
    return f"/http{written[:-1]}{{path}}" if _is_prefix(path) else f"/http{written}"


def _site_operation(route: Route) -> dict[str, Any]:
    """Which path and method: what is asked and answered there, only its code knows."""
    said = inspect.getdoc(route.action) or ""
    rest = {"name": "path", "in": "path", "required": True, "description": "May have / in it.", "schema": _TEXT}
    return {
        "operationId": f"{route.method} {route.path}",
        "tags": ["HTTP actions"],
        "summary": f"HTTP action {route.method} {route.path}",
        **({"description": said} if said else {}),
        **({"parameters": [rest]} if _is_prefix(route.path) else {}),
        **({"requestBody": {"content": _WHATEVER}} if route.method in _WITH_BODY else {}),
        "responses": {"default": {"description": "What it answered.", "content": _WHATEVER}},
    }


def _is_prefix(path: str) -> bool:
    return path.endswith("/*")


def _request(args: Validator) -> dict[str, Any]:
    fields = args.fields.values() if isinstance(args, ObjectValidator) else ()
    needed = any(not field.is_optional for field in fields) or isinstance(args, UnionValidator)
    return {
        "type": "object",
        "properties": {
            "args": {"type": "object", **dialect(json_schema(args, lossless=True))},
            "format": {"type": "string", "enum": ["json"], "description": "How the result is written."},
        },
        **({"required": ["args"]} if needed else {}),
    }


def _success(returns: Validator | None) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            "status": {"type": "string", "enum": ["success"]},
            "value": {} if returns is None else dialect(json_schema(returns)),
            "logLines": _LINES,
        },
        "required": ["status", "value"],
    }


def _response(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}

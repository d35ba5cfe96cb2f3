"""Answering requests by HTTP actions."""

from __future__ import annotations

import difflib
import json
from typing import TYPE_CHECKING, Any, Final

from convex_nb.deployment.asynchronous import run_coroutine
from convex_nb.deployment.remote.telling import failure
from convex_nb.functions.http.messages import Response
from convex_nb.language.encoding import to_plain_json
from convex_nb.language.errors import ComponentError
from convex_nb.language.qualified_names import child_path, qualified
from convex_nb.language.values import UNDEFINED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from convex_nb.deployment.calling import Calling
    from convex_nb.functions.components.component import Component
    from convex_nb.functions.http.messages import Request
    from convex_nb.functions.http.router import HttpRouter, Route
    from convex_nb.functions.origin import Origin

SITE: Final = "http://localhost"
"""What URLs begin with where there is no server."""
NO_ROUTER: Final = "This Convex deployment does not have HTTP actions enabled."
NO_ROUTE: Final = "No matching routes found"


def respond(deployment: Calling, request: Request, origin: Origin) -> Response:
    """What the deployment's router makes of a request: never an error, but a response that says so."""
    if deployment._blocked:
        deployment._refuse()
    router = deployment._router
    if router is None:
        return Response(NO_ROUTER, status=404)
    answering = _answering(router, deployment._registry.components, request.path, request.method)
    if answering is None:
        return Response(NO_ROUTE, status=404)
    route, component = answering
    name = qualified(component, f"{route.method} {route.path}")

    try:
        return route.action.respond(
            deployment._runner, name, request, deployment._inside, origin, run_coroutine, component
        )
    except Exception as error:
        return _failed(error, name, deployment)


def _answering(
    router: HttpRouter, installed: Mapping[str, Component], path: str, method: str, component: str = ""
) -> tuple[Route, str] | None:
    """The route for a request, and the component whose it is: exact paths go first, then the longest prefix."""
    route, mount = router.lookup(path, method), router.mounted(path)
    if mount is None or (route is not None and (route.path == path or len(route.path) > len(mount.prefix))):
        return None if route is None else (route, component)
    inside = child_path(component, mount.component)
    definition = installed.get(inside)
    rest = path[len(mount.prefix) - 1 :]
    return None if definition is None else _answering(definition.http, installed, rest, method, inside)


def answering_routes(router: HttpRouter, installed: Mapping[str, Component]) -> list[Route]:
    """All that answers, by path: the routes of mounted components below their prefixes, but for those never reached.

    Costs O(routes · mounts).
    """
    reached = []
    for route, component in _routes(router, installed):
        # What is below a prefix is any path that begins so.
        probe = f"{route.path[:-1]}\0" if route.path.endswith("*") else route.path
        answering = _answering(router, installed, probe, route.method)
        if answering is not None and (answering[0].action, answering[1]) == (route.action, component):
            reached.append(route)
    return sorted(reached, key=lambda each: each[:2])


def _routes(
    router: HttpRouter, installed: Mapping[str, Component], component: str = "", prefix: str = ""
) -> Iterator[tuple[Route, str]]:
    for route in router.routes:
        yield route._replace(path=prefix + route.path), component
    for mount in router.mounts:
        inside = child_path(component, mount.component)
        definition = installed.get(inside)
        if definition is not None:
            yield from _routes(definition.http, installed, inside, prefix + mount.prefix[:-1])


def check_mounts(router: HttpRouter, installed: Mapping[str, Component], component: str = "") -> None:
    """Raise `ComponentError` for a mount of a component that is not installed."""
    for prefix, name in router.mounts:
        path = child_path(component, name)
        definition = installed.get(path)
        if definition is None:
            near = difflib.get_close_matches(path, installed, n=1)
            hint = f' Did you mean "{near[0]}"?' if near else ""
            raise ComponentError(
                f'The router mounts the component "{path}" below {prefix}, and there is none of this name: nothing '
                f"changed.{hint} Push `components=[...]` with it.",
                component=path,
            )
        check_mounts(definition.http, installed, path)


def _failed(error: Exception, name: str, deployment: Calling) -> Response:
    told = failure(error, "action", name, deployment._log, deployment._mode)
    head, _, rest = told.message.partition("\n")
    body: dict[str, Any] = {"code": head}
    if rest:
        body = {"code": f"{head}: {rest.partition(chr(10))[0]}", "trace": rest}
    if told.data is not UNDEFINED:
        body["data"] = to_plain_json(told.data)
    return Response(json.dumps(body).encode(), status=500, headers={"content-type": "application/json"})

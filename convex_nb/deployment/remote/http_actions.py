"""Answering requests by HTTP actions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from convex_nb.deployment.asynchronous import run_coroutine
from convex_nb.deployment.remote.telling import failure
from convex_nb.functions.http.messages import Response
from convex_nb.language.encoding import to_plain_json
from convex_nb.language.values import UNDEFINED

if TYPE_CHECKING:
    from convex_nb.deployment.calling import Calling
    from convex_nb.functions.http.messages import Request
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
    route = router.lookup(request.path, request.method)
    if route is None:
        return Response(NO_ROUTE, status=404)
    name = f"{route.method} {route.path}"

    try:
        return route.action.respond(deployment._runner, name, request, deployment._inside, origin, run_coroutine)
    except Exception as error:
        return _failed(error, name, deployment)


def _failed(error: Exception, name: str, deployment: Calling) -> Response:
    told = failure(error, "action", name, deployment._log, deployment._mode)
    head, _, rest = told.message.partition("\n")
    body: dict[str, Any] = {"code": head}
    if rest:
        body = {"code": f"{head}: {rest.partition(chr(10))[0]}", "trace": rest}
    if told.data is not UNDEFINED:
        body["data"] = to_plain_json(told.data)
    return Response(json.dumps(body).encode(), status=500, headers={"content-type": "application/json"})

"""A deployment as a server sees it: who calls, for whom, and what is sent back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, cast, runtime_checkable

from convex_nb.deployment.foundation import name_of
from convex_nb.deployment.remote.caller import Caller
from convex_nb.deployment.remote.http_actions import respond
from convex_nb.deployment.remote.session_requests import sweep
from convex_nb.functions.http.messages import Request, Response
from convex_nb.functions.identity import to_identity
from convex_nb.functions.origin import Origin
from convex_nb.language.errors import AuthenticationError, ConvexNbError, InvalidValueError
from convex_nb.services.environment import EnvironmentService

if TYPE_CHECKING:
    from convex_nb.deployment.deployment import Deployment
    from convex_nb.deployment.files.files import Files


class Door(Protocol):
    """Something that lets others in, and closes with the deployment."""

    def close(self) -> None: ...


@runtime_checkable
class Server(Door, Protocol):
    """What `dep.serve()` returns: a running server."""

    @property
    def url(self) -> str:
        """What clients are given."""
        ...

    @property
    def site_url(self) -> str:
        """Where HTTP actions are."""
        ...

    @property
    def admin_key(self) -> str:
        """With it a client may do what the deployment's owner may."""
        ...


class Remote:
    """What servers reach a deployment through. Safe for threads."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment

    @property
    def name(self) -> str:
        """What the deployment is called: its file, or "memory"."""
        return name_of(self._deployment._database.log.place)

    @property
    def timestamp(self) -> int:
        """The newest commit."""
        return self._deployment._database.head.timestamp

    @property
    def files(self) -> Files:
        """The stored files."""
        return self._deployment.files

    @property
    def variables(self) -> dict[str, str]:
        """What functions find in their environment though nobody has set it."""
        return cast(EnvironmentService, self._deployment._services["env"]).system

    @property
    def doors(self) -> list[Door]:
        """What closes with the deployment."""
        return self._deployment._doors

    def now_ns(self) -> int:
        """What the deployment's clock says."""
        return self._deployment._database.clock.now_ns()

    def nobody(self) -> Caller:
        """Calls for a client that has not said who it is."""
        return Caller(self._deployment, Origin("anonymous"))

    def administrator(self, identity: Mapping[str, Any] | None = None) -> Caller:
        """Calls as the owner, functions finding `identity`. Raises `AuthenticationError` for what is none."""
        try:
            return Caller(self._deployment, Origin("admin", to_identity(identity)))
        except InvalidValueError as error:
            raise AuthenticationError(str(error), code="InvalidIdentity") from None

    def administered_by(self, caller: Caller) -> Deployment:
        """The deployment itself, for its administrator. Raises `AuthenticationError` for everybody else."""
        if caller.origin.caller != "admin":
            raise AuthenticationError(
                "This is for the administrator: send the header `Authorization: Convex <admin key>`.",
                code="AdminKeyRequired",
            )
        return self._deployment

    def openapi(self) -> dict[str, Any]:
        """What can be called, for anybody: an OpenAPI document."""
        return self._deployment.openapi()

    def user(self, token: str) -> Caller:
        """Calls for the bearer of a token. Raises `AuthenticationError`; it may ask the token's issuer for its keys."""
        bearer = self._deployment._tokens.verify(token)
        return Caller(self._deployment, Origin("user", bearer.identity), bearer.expires_ns)

    def respond(
        self,
        url: str,
        method: str,
        headers: Iterable[tuple[str, str]],
        body: bytes,
        caller: Caller | AuthenticationError,
    ) -> Response:
        """Answer a request by an HTTP action, for a caller, or for somebody whose identity was refused."""
        if isinstance(caller, AuthenticationError):
            origin = Origin("anonymous", refusal=caller)
        else:
            origin = Origin("user" if caller.origin.identity else "anonymous", caller.origin.identity)
        response = respond(self._deployment, Request(url, method=method, headers=headers, body=body), origin)
        self._deployment._after_commit()
        return response

    def sweep(self) -> None:
        """Forget the requests of clients that have been away for long."""
        try:
            sweep(self._deployment._database)
        except ConvexNbError:
            # A deployment that is read only, or closing, has nothing to forget.
            return

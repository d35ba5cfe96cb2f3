"""Where a call comes from: whom it acts for, and what it is a part of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from convex_nb.functions.execution import Execution
    from convex_nb.functions.identity import Identity

CallerKind: TypeAlias = Literal["admin", "user", "anonymous", "system"]
"""The deployment's owner, a client with or without an identity, or the deployment itself (scheduled functions)."""


class Origin:
    """What a call inherits from whoever makes it. Immutable by convention; one may serve many calls.

    `parent` is the action that makes the call, `job_id` the scheduled job that it is, `queue_length` how many mutations
    of its client were waiting for one another with it. `refusal` is what is wrong with the identity that somebody
    claims to have: only a function that asks for it is told.
    """

    __slots__ = ("caller", "identity", "job_id", "parent", "queue_length", "refusal")

    def __init__(
        self,
        caller: CallerKind = "admin",
        identity: Identity | None = None,
        *,
        parent: Execution | None = None,
        job_id: str | None = None,
        queue_length: int = 0,
        refusal: Exception | None = None,
    ) -> None:
        self.caller: CallerKind = caller
        self.identity = identity
        self.parent = parent
        self.job_id = job_id
        self.queue_length = queue_length
        self.refusal = refusal

    def inside(self, parent: Execution) -> Origin:
        """The origin of a call that the action `parent` makes: for the same identity, in the same request."""
        return Origin(self.caller, self.identity, parent=parent, refusal=self.refusal)


ADMINISTRATOR: Final = Origin()
"""A cell or a thread that calls the deployment itself."""

"""Results as they are sent: encoded once, however many clients follow the same query."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

import msgspec

from convex_nb.language.ordering import same_value
from convex_nb.language.values import UNDEFINED
from convex_nb.server.messages import Json, encode_value

if TYPE_CHECKING:
    from convex_nb.deployment.remote.caller import Caller
    from convex_nb.functions.live.shared_query import Outcome

MOST_ENTRIES: Final = 512
MOST_BYTES: Final = 32 << 20


class EncodedResults:
    """The newest results in their encoded form, within bounds. Safe for threads."""

    def __init__(self) -> None:
        # By the identity of the value, which is held, so that the number stays its own.
        self._texts: dict[int, tuple[Any, msgspec.Raw]] = {}
        self._nbytes = 0
        self._lock = threading.Lock()

    def fields(self, outcome: Outcome, before: Outcome | None, caller: Caller) -> Json | None:
        """What a transition says of a query, or `None` if the client knows it from `before`."""
        if before is outcome:
            return None
        if outcome.error is not None:
            failure = caller.told(outcome.error)
            if before is not None and before.error is not None and _without_id(caller, before) == failure.text:
                return None
            fields: Json = {"type": "QueryFailed", "errorMessage": failure.message}
            if failure.data is not UNDEFINED:
                fields["errorData"] = encode_value(failure.data)
        else:
            if before is not None and before.error is None and _is_same(before, outcome):
                return None
            fields = {"type": "QueryUpdated", "value": self.text(outcome.value)}
        return {**fields, "logLines": caller.printed(outcome), "journal": outcome.journal}

    def text(self, value: Any) -> msgspec.Raw:
        """The encoded form of a value."""
        if not isinstance(value, (list, dict)):
            return encode_value(value)
        known = self._texts.get(id(value))
        if known is not None and known[0] is value:
            return known[1]
        text = encode_value(value)
        size = len(bytes(text))
        if size <= MOST_BYTES // 4:
            with self._lock:
                former = self._texts.pop(id(value), None)
                if former is not None:
                    self._nbytes -= len(bytes(former[1]))
                self._texts[id(value)] = (value, text)
                self._nbytes += size
                while len(self._texts) > MOST_ENTRIES or self._nbytes > MOST_BYTES:
                    self._nbytes -= len(bytes(self._texts.pop(next(iter(self._texts)))[1]))
        return text


def _is_same(before: Outcome, outcome: Outcome) -> bool:
    if [line[1:3] for line in before.lines or ()] != [line[1:3] for line in outcome.lines or ()]:
        return False
    return before.value is outcome.value or same_value(before.value, outcome.value)


def _without_id(caller: Caller, outcome: Outcome) -> str:
    assert outcome.error is not None
    return caller.told(outcome.error).text

"""How often something that failed is tried again, and when."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypedDict, cast

from convex_nb import InvalidValueError, v

if TYPE_CHECKING:
    from random import Random


class Retry(TypedDict, total=False):
    """At most `max_attempts` in all, the first included; `initial_backoff` milliseconds after the first, and `base`
    times as many after each further one."""

    max_attempts: int
    initial_backoff: float
    base: float


Retries: TypeAlias = bool | Retry | None

USUAL: Final[Retry] = {"max_attempts": 5, "initial_backoff": 250, "base": 2}
RETRY: Final = v.object({"max_attempts": v.number(), "initial_backoff": v.number(), "base": v.number()})
_LONGEST: Final = 86_400_000.0
_BOUNDS: Final = {"max_attempts": (1, 100), "initial_backoff": (1, _LONGEST), "base": (1, 100)}


def to_retry(given: object, usual: Retry | None = None) -> Retry | None:
    """What `retry=` means: `None` is what is `usual` here, `True` five attempts, `False` one. Raises
    `InvalidValueError`."""
    if given is None or isinstance(given, bool):
        return usual if given is None else USUAL if given else None
    if not isinstance(given, Mapping) or given.keys() - USUAL.keys():
        raise InvalidValueError(
            f"`retry=` is True, False, or a dict with some of {', '.join(USUAL)}, not {given!r}. Nothing was changed.",
            value=given,
        )
    retry: dict[str, Any] = {**USUAL, **given}
    for field, (least, most) in _BOUNDS.items():
        value = retry[field]
        is_number = isinstance(value, int if field == "max_attempts" else int | float) and not isinstance(value, bool)
        if not is_number or not least <= value <= most:
            raise InvalidValueError(
                f'"{field}" of `retry=` is a number from {least} to {most:.0f}, not {value!r}. Nothing was changed.',
                value=given,
            )
    return cast(Retry, retry)


def backoff(retry: Retry, failures: int, random: Random) -> float:
    """The milliseconds to wait after so many failures: between half and one and a half of what they come to, a day at
    most, so that what failed together does not come back together."""
    power = math.log(retry["initial_backoff"]) + (failures - 1) * math.log(retry["base"])
    return min(math.exp(min(power, 100)) * random.uniform(0.5, 1.5), _LONGEST)

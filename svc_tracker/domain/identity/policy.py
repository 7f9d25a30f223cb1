"""What is known of identities beforehand: whose they are, what their bearers can do, and what it takes to believe."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

import numpy as np

from svc_tracker.domain.state.types import Booleans, Floats, Integers

MAX_BEARERS: Final = 1_000
MAX_REPLIES: Final = 1_000
MAX_SPAN_S: Final = 86_400.0
NOBODY: Final = -1


class FriendFoe(IntEnum):
    """Whose a track is held to be; the numbers are those on the wire."""

    UNSPECIFIED = 0
    FRIEND = 1
    FOE = 2
    UNKNOWN = 3


class ObjectType(IntEnum):
    """What a track is held to be; the numbers are those on the wire."""

    UNSPECIFIED = 0
    DRONE = 1
    SHIP = 2
    STATION = 3
    ASTEROID = 4
    DEBRIS = 5
    AIRCRAFT = 6


@dataclass(frozen=True, slots=True)
class Bearer:
    """Whose an identity is, and how its bearer can move. With `is_prefix` it stands for all that begin with it.

    What is not known of the bearer is left at its widest: it contradicts nothing.
    """

    identity: str
    iff: FriendFoe
    is_prefix: bool = False
    min_speed_mps: float = 0.0
    max_speed_mps: float = math.inf
    max_acceleration_mps2: float = math.inf
    object_type: ObjectType = ObjectType.UNSPECIFIED

    def __post_init__(self) -> None:
        if not (self.identity or self.is_prefix):
            raise ValueError("identity must not be empty")
        if self.iff not in (FriendFoe.FRIEND, FriendFoe.FOE):
            raise ValueError(f"iff must be FRIEND or FOE, not {self.iff}")
        if not 0.0 <= self.min_speed_mps < self.max_speed_mps:
            raise ValueError(f"min_speed_mps must be within [0, max_speed_mps), not {self.min_speed_mps}")
        if not self.max_acceleration_mps2 > 0.0:
            raise ValueError(f"max_acceleration_mps2 must be greater than 0, not {self.max_acceleration_mps2}")


@dataclass(frozen=True, slots=True)
class HostileApproach:
    """What makes a foe of one that does not answer: so fast towards the own ship, so near, for so long."""

    range_m: float
    closing_speed_mps: float
    duration_s: float

    def __post_init__(self) -> None:
        for name in ("range_m", "closing_speed_mps", "duration_s"):
            if not 0.0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be finite and greater than 0, not {getattr(self, name)}")


@dataclass(frozen=True, slots=True)
class IdentityPolicy:
    """How identities are heard, doubted and judged. Raises ValueError, which begins with the field's name.

    Hearing: a track takes its first identity at once, another one after hearing that `identity_switch_replies` times in
    a row; its transponder counts as silent after `transponder_silent_detections` detections without a reply.

    Believing: `confirm_replies` of one identity over at least `confirm_time_s` confirm it; one that was not heard for
    `max_identity_age_s` must be confirmed again.

    Doubting: a contradiction counts as evidence once it has held for `evidence_time_s`, and is remembered for
    `evidence_memory_s` after that; `significance_sigma` standard deviations make a contradiction. Two tracks are heard
    at the same time when both were within `simultaneous_s`. Accelerations are taken over `acceleration_span_s`.
    A track with evidence that it lies is held to be a `spoofer`.

    A class of thing is told from `min_class_probability` on.
    """

    bearers: tuple[Bearer, ...] = ()
    identity_switch_replies: int = 3
    transponder_silent_detections: int = 3
    confirm_replies: int = 4
    confirm_time_s: float = 3.0
    max_identity_age_s: float = 30.0
    significance_sigma: float = 4.0
    evidence_time_s: float = 5.0
    evidence_memory_s: float = 60.0
    simultaneous_s: float = 3.0
    acceleration_span_s: float = 4.0
    min_class_probability: float = 0.7
    spoofer: FriendFoe = FriendFoe.FOE
    hostile_approach: HostileApproach | None = None
    known: "Known" = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.bearers) > MAX_BEARERS:
            raise ValueError(f"bearers must be at most {MAX_BEARERS}, not {len(self.bearers)}")
        for name in ("identity_switch_replies", "transponder_silent_detections", "confirm_replies"):
            if not 1 <= getattr(self, name) <= MAX_REPLIES:
                raise ValueError(f"{name} must be within [1, {MAX_REPLIES}], not {getattr(self, name)}")
        for name in ("confirm_time_s", "evidence_time_s", "evidence_memory_s"):
            if not 0.0 <= getattr(self, name) <= MAX_SPAN_S:
                raise ValueError(f"{name} must be within [0, {MAX_SPAN_S:g}], not {getattr(self, name)}")
        for name in ("max_identity_age_s", "simultaneous_s", "acceleration_span_s"):
            if not 0.0 < getattr(self, name) <= MAX_SPAN_S:
                raise ValueError(f"{name} must be within (0, {MAX_SPAN_S:g}], not {getattr(self, name)}")
        if not 0.0 < self.significance_sigma <= 100.0:
            raise ValueError(f"significance_sigma must be within (0, 100], not {self.significance_sigma}")
        if not 0.5 < self.min_class_probability < 1.0:
            raise ValueError(f"min_class_probability must be within (0.5, 1), not {self.min_class_probability}")
        if self.spoofer not in (FriendFoe.FOE, FriendFoe.UNKNOWN):
            raise ValueError(f"spoofer must be FOE or UNKNOWN, not {self.spoofer}")
        object.__setattr__(self, "known", _known(self.bearers))


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """The bearers as columns (k + 1,), the last of which is of nobody that is known: so that NOBODY finds it."""

    iff: Integers
    min_speed_mps: Floats
    max_speed_mps: Floats
    max_acceleration_mps2: Floats
    object_type: Integers
    is_limited: Booleans
    exact: Mapping[str, int]
    prefixes: tuple[tuple[str, int], ...]

    def bearer_of(self, identity: str) -> int:
        """Return the place of the bearer of an identity: the one it names, else the longest prefix; NOBODY for none."""
        found = self.exact.get(identity)
        if found is not None:
            return found
        return next((place for prefix, place in self.prefixes if identity.startswith(prefix)), NOBODY)


def _known(bearers: tuple[Bearer, ...]) -> Known:
    exact: dict[str, int] = {}
    prefixes: dict[str, int] = {}
    for place, bearer in enumerate(bearers):
        if (prefixes if bearer.is_prefix else exact).setdefault(bearer.identity, place) != place:
            raise ValueError(f"bearers: {bearer.identity!r} is given twice")
    lowest = np.array([*(each.min_speed_mps for each in bearers), 0.0])
    highest = np.array([*(each.max_speed_mps for each in bearers), np.inf])
    agility = np.array([*(each.max_acceleration_mps2 for each in bearers), np.inf])
    return Known(
        iff=np.array([*(int(each.iff) for each in bearers), int(FriendFoe.UNSPECIFIED)], dtype=np.int64),
        min_speed_mps=lowest,
        max_speed_mps=highest,
        max_acceleration_mps2=agility,
        object_type=np.array([*(int(each.object_type) for each in bearers), 0], dtype=np.int64),
        is_limited=(lowest > 0.0) | (highest < np.inf) | (agility < np.inf),
        exact=exact,
        prefixes=tuple(sorted(prefixes.items(), key=lambda item: (-len(item[0]), item[1]))),
    )

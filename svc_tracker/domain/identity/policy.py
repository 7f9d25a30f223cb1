"""Identity policy: the known platforms, and the thresholds of confirmation, spoofing evidence and classification."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

import numpy as np

from svc_tracker.domain.state.types import Booleans, Floats, Integers

MAX_PLATFORMS: Final = 1_000
MAX_REPLIES: Final = 1_000
MAX_SPAN_S: Final = 86_400.0
NOT_LISTED: Final = -1


class FriendFoe(IntEnum):
    """The identification of a track as friend or foe; the numbers are those on the wire."""

    UNSPECIFIED = 0
    FRIEND = 1
    FOE = 2
    UNKNOWN = 3


class ObjectType(IntEnum):
    """The class of a target; the numbers are those on the wire."""

    UNSPECIFIED = 0
    DRONE = 1
    SHIP = 2
    STATION = 3
    ASTEROID = 4
    DEBRIS = 5
    AIRCRAFT = 6


@dataclass(frozen=True, slots=True)
class KnownPlatform:
    """A platform by its transponder identity, its side, and its limits of motion.

    With `is_prefix` it covers every identity that starts with `identity`. An unknown limit stays at its widest, which
    no motion violates. Raises ValueError naming the field.
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
    """The approach that makes a track without replies a foe: range, closing speed and duration. Raises ValueError."""

    range_m: float
    closing_speed_mps: float
    duration_s: float

    def __post_init__(self) -> None:
        for name in ("range_m", "closing_speed_mps", "duration_s"):
            if not 0.0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be finite and greater than 0, not {getattr(self, name)}")


@dataclass(frozen=True, slots=True)
class IdentityPolicy:
    """The rules of identification. Raises ValueError naming the field.

    Replies: a track takes its first identity at once, another one after `identity_switch_replies` replies in a row with
    that one; its transponder counts as off after `transponder_silent_detections` detections without a reply.

    Confirmation: `confirm_replies` replies with one identity over at least `confirm_time_s` confirm it; after
    `max_identity_age_s` without a reply it must be confirmed again.

    Evidence: a contradiction becomes evidence once it has lasted `evidence_time_s`, and stays evidence for
    `evidence_memory_s` after that. A deviation of `significance_sigma` standard deviations is a contradiction. Replies
    within `simultaneous_s` of each other count as simultaneous. Accelerations are measured over `acceleration_span_s`.
    A track with evidence of spoofing is identified as `spoofer`.

    Classification: a target class is reported from `min_class_probability` on.
    """

    platforms: tuple[KnownPlatform, ...] = ()
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
    known: "PlatformTable" = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.platforms) > MAX_PLATFORMS:
            raise ValueError(f"platforms must be at most {MAX_PLATFORMS}, not {len(self.platforms)}")
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
        object.__setattr__(self, "known", _platform_table(self.platforms))


@dataclass(frozen=True, slots=True, eq=False)
class PlatformTable:
    """The known platforms as columns (k + 1,); the last row, at index NOT_LISTED, is an unlimited unknown platform."""

    iff: Integers
    min_speed_mps: Floats
    max_speed_mps: Floats
    max_acceleration_mps2: Floats
    object_type: Integers
    is_limited: Booleans
    exact: Mapping[str, int]
    prefixes: tuple[tuple[str, int], ...]

    def index_of(self, identity: str) -> int:
        """Return the row of the platform with this identity, else of the longest matching prefix, else NOT_LISTED."""
        row = self.exact.get(identity)
        if row is not None:
            return row
        return next((row for prefix, row in self.prefixes if identity.startswith(prefix)), NOT_LISTED)


def _platform_table(platforms: tuple[KnownPlatform, ...]) -> PlatformTable:
    exact: dict[str, int] = {}
    prefixes: dict[str, int] = {}
    for row, platform in enumerate(platforms):
        if (prefixes if platform.is_prefix else exact).setdefault(platform.identity, row) != row:
            raise ValueError(f"platforms: {platform.identity!r} is listed twice")
    min_speed = np.array([*(platform.min_speed_mps for platform in platforms), 0.0])
    max_speed = np.array([*(platform.max_speed_mps for platform in platforms), np.inf])
    max_acceleration = np.array([*(platform.max_acceleration_mps2 for platform in platforms), np.inf])
    return PlatformTable(
        iff=np.array([*(int(platform.iff) for platform in platforms), int(FriendFoe.UNSPECIFIED)], dtype=np.int64),
        min_speed_mps=min_speed,
        max_speed_mps=max_speed,
        max_acceleration_mps2=max_acceleration,
        object_type=np.array([*(int(platform.object_type) for platform in platforms), 0], dtype=np.int64),
        is_limited=(min_speed > 0.0) | (max_speed < np.inf) | (max_acceleration < np.inf),
        exact=exact,
        prefixes=tuple(sorted(prefixes.items(), key=lambda item: (-len(item[0]), item[1]))),
    )

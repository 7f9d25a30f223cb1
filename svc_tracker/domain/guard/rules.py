"""What guard rules watch for, and for which tracks they hold."""

import math
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
from scipy.special import ndtr

from svc_tracker.domain.guard.closest_approach import ClosestApproaches
from svc_tracker.domain.guard.relative import Relative
from svc_tracker.domain.identity.policy import FriendFoe
from svc_tracker.domain.state.tracks import TrackStatus
from svc_tracker.domain.state.types import Booleans, Floats
from svc_tracker.domain.table import TrackTable

MAX_SPAN_S: Final = 86_400.0


class GuardKind(IntEnum):
    """What a rule watches for; the numbers are those on the wire."""

    UNKNOWN_CONTACT_CLOSE = 1
    FOE_TRANSPONDER_OFF_APPROACH = 2
    SPOOFING_DETECTED = 3
    CLOSEST_POINT_OF_APPROACH = 4


@dataclass(frozen=True, slots=True)
class GuardRule:
    """One rule; a limit that its kind does not use is left at 0. Raises ValueError naming the field.

    An alarm is raised once the rule has held for `min_duration_s`, and at the earliest `cooldown_s` after the last one
    of the same track was cleared. It is cleared when the rule does not hold any more with every limit eased by the
    share `hysteresis`: distances, ranges and times are longer then, speeds and probabilities lower. `severity` is a
    number of the wire.
    """

    name: str
    kind: GuardKind
    severity: int
    min_duration_s: float = 0.0
    cooldown_s: float = 0.0
    hysteresis: float = 0.0
    range_m: float = 0.0
    closing_speed_mps: float = 0.0
    distance_m: float = 0.0
    within_s: float = 0.0
    probability: float = 0.0

    def __post_init__(self) -> None:
        for name in ("min_duration_s", "cooldown_s"):
            if not 0.0 <= getattr(self, name) <= MAX_SPAN_S:
                raise ValueError(f"{name} must be within [0, {MAX_SPAN_S:g}], not {getattr(self, name)}")
        for name in ("hysteresis", "probability"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} must be within [0, 1], not {getattr(self, name)}")
        for name in ("range_m", "closing_speed_mps", "distance_m", "within_s"):
            if not 0.0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be finite and not negative, not {getattr(self, name)}")


@dataclass(frozen=True, slots=True, eq=False)
class Situation:
    """A table of tracks after a frame, and how they are to the own ship."""

    table: TrackTable
    relative: Relative
    closest: ClosestApproaches


def holds(rule: GuardRule, situation: Situation, eased: float) -> Booleans:
    """Return for which tracks (n,) the rule holds, its limits eased by a share in [0, 1].

    Only a confirmed track that is not lost is watched: what is not confirmed may not be there.
    """
    table = situation.table
    watched: Booleans = (table.status == TrackStatus.TRACKED) | (table.status == TrackStatus.COASTING)
    near = situation.relative.range_m <= rule.range_m * (1.0 + eased)
    match rule.kind:
        case GuardKind.UNKNOWN_CONTACT_CLOSE:
            found: Booleans = near & (table.iff == FriendFoe.UNKNOWN)
        case GuardKind.FOE_TRANSPONDER_OFF_APPROACH:
            # Negative when closing; one that keeps its distance does not approach.
            approaching = situation.relative.vr_mps < -rule.closing_speed_mps * (1.0 - eased)
            found = near & approaching & (table.iff == FriendFoe.FOE) & ~table.transponder_on
        case GuardKind.SPOOFING_DETECTED:
            found = table.spoof_evidence != 0
        case GuardKind.CLOSEST_POINT_OF_APPROACH:
            found = _comes_too_near(rule, situation.closest, eased)
    return watched & found


def probability_within(distance_m: float, closest: ClosestApproaches) -> Floats:
    """Return how probable closest distances below `distance_m` are, (n,).

    The distance is taken for normal, cut off at 0: P = (Phi((L - m) / s) - Phi(-m / s)) / (1 - Phi(-m / s)). Where it
    has no error it is either certain or impossible.
    """
    mean, sigma = closest.distance_m, closest.distance_sigma_m
    exact = sigma <= 0.0
    scale = np.where(exact, 1.0, sigma)
    below_zero = ndtr(-mean / scale)
    # The mean is never negative: at most half lies below 0.
    probability = (ndtr((distance_m - mean) / scale) - below_zero) / (1.0 - below_zero)
    return np.where(exact, mean < distance_m, np.clip(probability, 0.0, 1.0))


def _comes_too_near(rule: GuardRule, closest: ClosestApproaches, eased: float) -> Booleans:
    probability = probability_within(rule.distance_m * (1.0 + eased), closest)
    near: Booleans = probability >= rule.probability * (1.0 - eased)
    soon: Booleans = closest.time_s <= rule.within_s * (1.0 + eased)
    # A rule that asks for no probability at all still asks for some.
    found: Booleans = near & soon & (probability > 0.0)
    return found

"""Guard rules: the conditions of alarms, and the tracks that meet them."""

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
    """The kind of a rule; the numbers are those on the wire."""

    UNKNOWN_CONTACT_CLOSE = 1
    FOE_TRANSPONDER_OFF_APPROACH = 2
    SPOOFING_DETECTED = 3
    CLOSEST_POINT_OF_APPROACH = 4


@dataclass(frozen=True, slots=True)
class GuardRule:
    """One rule; limits that its kind does not use stay 0. Raises ValueError naming the field.

    An alarm is raised once a track has met the rule for `min_duration_s`, at the earliest `cooldown_s` after the last
    alarm of the same track was cleared. It is cleared when the track no longer meets the rule with every limit relaxed
    by the fraction `hysteresis`: longer distances, ranges and times, lower speeds and probabilities. `severity` is a
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
class GuardInput:
    """The tracks after a frame, relative to the own ship, with their closest approaches."""

    table: TrackTable
    relative: Relative
    closest: ClosestApproaches


def is_met(rule: GuardRule, guard_input: GuardInput, hysteresis: float) -> Booleans:
    """Return which confirmed live tracks (n,) meet the rule with its limits relaxed by a fraction in [0, 1]."""
    table, identification = guard_input.table, guard_input.table.identification
    status = table.records.status
    eligible: Booleans = (status == TrackStatus.TRACKED) | (status == TrackStatus.COASTING)
    near = guard_input.relative.range_m <= rule.range_m * (1.0 + hysteresis)
    match rule.kind:
        case GuardKind.UNKNOWN_CONTACT_CLOSE:
            met: Booleans = near & (identification.iff == FriendFoe.UNKNOWN)
        case GuardKind.FOE_TRANSPONDER_OFF_APPROACH:
            # Negative when closing: at radial velocity 0 a track does not approach.
            approaching = guard_input.relative.vr_mps < -rule.closing_speed_mps * (1.0 - hysteresis)
            silent_foe = (identification.iff == FriendFoe.FOE) & ~table.identities.transponder_on
            met = near & approaching & silent_foe
        case GuardKind.SPOOFING_DETECTED:
            met = identification.spoof_evidence != 0
        case GuardKind.CLOSEST_POINT_OF_APPROACH:
            met = _passes_too_near(rule, guard_input.closest, hysteresis)
    return eligible & met


def probability_within(distance_m: float, closest: ClosestApproaches) -> Floats:
    """Return the probabilities (n,) of closest distances below `distance_m`.

    The distance is normal, truncated at 0: P = (Phi((L - m) / s) - Phi(-m / s)) / (1 - Phi(-m / s)). Without an error
    the probability is 0 or 1.
    """
    mean, sigma = closest.distance_m, closest.distance_sigma_m
    exact = sigma <= 0.0
    scale = np.where(exact, 1.0, sigma)
    below_zero = ndtr(-mean / scale)
    # The mean is never negative: at most half lies below 0.
    probability = (ndtr((distance_m - mean) / scale) - below_zero) / (1.0 - below_zero)
    return np.where(exact, mean < distance_m, np.clip(probability, 0.0, 1.0))


def _passes_too_near(rule: GuardRule, closest: ClosestApproaches, hysteresis: float) -> Booleans:
    probability = probability_within(rule.distance_m * (1.0 + hysteresis), closest)
    near: Booleans = probability >= rule.probability * (1.0 - hysteresis)
    soon: Booleans = closest.time_s <= rule.within_s * (1.0 + hysteresis)
    # A rule with probability 0 is met by any probability above 0.
    met: Booleans = near & soon & (probability > 0.0)
    return met

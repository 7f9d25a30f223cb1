"""Sensor faults during a scan: jammed and dead sectors, bias steps, lost scans."""

import math
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np

from svc_radar.domain.limits import MAX_MAGNITUDE, require, require_within
from svc_radar.domain.model import RadarModel, Sector
from svc_radar.domain.scene import Booleans, Floats
from svc_radar.domain.signal import MAX_DECIBELS, ratio, reference_probability

# Detection probability of the reference target at the reference range below which a sector counts as blind.
BLIND_BELOW_PROBABILITY: Final = 0.1


class BlindReason(IntEnum):
    """The cause of a blind sector; the numbers are those on the wire."""

    DEAD = 1
    JAMMED = 2


@dataclass(frozen=True, slots=True)
class Blind:
    """A sector in which a missing detection is no evidence of absence, and the cause."""

    sector: Sector
    reason: BlindReason


@dataclass(frozen=True, slots=True)
class Jamming:
    """A jammer that raises the noise in a sector by `jamming_db`. Raises ValueError."""

    sector: Sector
    jamming_db: float

    def __post_init__(self) -> None:
        require_within(self, "jamming_db", 0.0, MAX_DECIBELS)


@dataclass(frozen=True, slots=True)
class Faults:
    """All faults of one sensor: biases are summed, and a scan is lost with `dropout_probability`."""

    jammed: tuple[Jamming, ...] = ()
    dead: tuple[Sector, ...] = ()
    range_bias_m: float = 0.0
    bearing_bias_deg: float = 0.0
    dropout_probability: float = 0.0

    def __post_init__(self) -> None:
        require_within(self, "range_bias_m", -MAX_MAGNITUDE, MAX_MAGNITUDE)
        require(math.isfinite(self.bearing_bias_deg), "bearing_bias_deg", "must be finite")
        require_within(self, "dropout_probability", 0.0, 1.0)


NO_FAULTS: Final = Faults()


def noise_db(faults: Faults, bearing_deg: Floats) -> Floats:
    """Return the increase of the noise at these bearings (n,) in decibels: jammers' powers add up."""
    noise = np.ones(len(bearing_deg))
    for jamming in faults.jammed:
        noise += np.where(jamming.sector.holds(bearing_deg), ratio(jamming.jamming_db) - 1.0, 0.0)
    raised_db: Floats = 10.0 * np.log10(noise)
    return raised_db


def blind_sectors(model: RadarModel, faults: Faults) -> tuple[Blind, ...]:
    """Return the sectors in which a missing detection is no evidence of absence, the dead ones first.

    A sector counts as jammed if the reference target at its range is detected with less than `BLIND_BELOW_PROBABILITY`.
    A radar with a constant probability of detection has no echo to compare with the jammer: it sees nothing in any
    sector with a jammer.
    """
    dead = [Blind(sector, BlindReason.DEAD) for sector in faults.dead]
    jammed = [
        Blind(jamming.sector, BlindReason.JAMMED)
        for jamming in faults.jammed
        if not model.physical or reference_probability(model, jamming.jamming_db) < BLIND_BELOW_PROBABILITY
    ]
    return (*dead, *jammed)


def can_see(model: RadarModel, faults: Faults, bearing_deg: Floats) -> Booleans:
    """Return at which of the bearings (n,) the antenna receives."""
    closed = list(faults.dead)
    if not model.physical:
        closed += [jamming.sector for jamming in faults.jammed]
    sees = np.ones(len(bearing_deg), dtype=np.bool_)
    for sector in closed:
        sees &= ~sector.holds(bearing_deg)
    return sees

"""What is wrong with a sensor during a scan: jammed and dead sectors, steps of bias, lost scans."""

import math
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np

from svc_radar.domain.limits import MAX_MAGNITUDE, require, require_within
from svc_radar.domain.model import RadarModel, Sector
from svc_radar.domain.scene import Booleans, Floats
from svc_radar.domain.signal import MAX_DECIBELS, ratio, reference_probability

# Where the reference thing at its range is seen more rarely than that, a sector is called blind.
BLIND_BELOW_PROBABILITY: Final = 0.1


class BlindReason(IntEnum):
    """Why a sector is blind; the numbers are those on the wire."""

    DEAD = 1
    JAMMED = 2


@dataclass(frozen=True, slots=True)
class Blind:
    """A sector whose emptiness means nothing, and why."""

    sector: Sector
    reason: BlindReason


@dataclass(frozen=True, slots=True)
class Jamming:
    """Noise from a jammer in a sector, raised by `jamming_db`. Raises ValueError."""

    sector: Sector
    jamming_db: float

    def __post_init__(self) -> None:
        require_within(self, "jamming_db", 0.0, MAX_DECIBELS)


@dataclass(frozen=True, slots=True)
class Faults:
    """All that is wrong with one sensor: biases are added up, and a scan is lost with `dropout_probability`."""

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
    """Return by how much the noise is raised at these bearings (n,): jammers' powers add up."""
    noise = np.ones(len(bearing_deg))
    for jamming in faults.jammed:
        noise += np.where(jamming.sector.holds(bearing_deg), ratio(jamming.jamming_db) - 1.0, 0.0)
    raised_db: Floats = 10.0 * np.log10(noise)
    return raised_db


def blind_sectors(model: RadarModel, faults: Faults) -> tuple[Blind, ...]:
    """Return the sectors in which the scan's emptiness means nothing, the dead ones first.

    A jammed sector is one where the reference thing at its range is seen with less than `BLIND_BELOW_PROBABILITY`; a
    radar with a constant probability of detection has no echo to weigh against the jammer: it sees nothing there.
    """
    dead = [Blind(sector, BlindReason.DEAD) for sector in faults.dead]
    jammed = [
        Blind(jamming.sector, BlindReason.JAMMED)
        for jamming in faults.jammed
        if not model.physical or reference_probability(model, jamming.jamming_db) < BLIND_BELOW_PROBABILITY
    ]
    return (*dead, *jammed)


def can_see(model: RadarModel, faults: Faults, bearing_deg: Floats) -> Booleans:
    """Return at which of the bearings (n,) the antenna receives at all."""
    closed = list(faults.dead)
    if not model.physical:
        closed += [jamming.sector for jamming in faults.jammed]
    sees = np.ones(len(bearing_deg), dtype=np.bool_)
    for sector in closed:
        sees &= ~sector.holds(bearing_deg)
    return sees

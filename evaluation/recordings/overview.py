"""Overview of a trajectory file, in a few numbers for a person."""

from dataclasses import dataclass

import numpy as np

from evaluation.recordings.reading.values import Floats
from evaluation.recordings.statistics import states_of
from svc_sim.domain.contacts.trajectory import Trajectory

INSTANTS = 2001
"""Number of times, evenly spread, at which the aircraft are counted."""


@dataclass(frozen=True, slots=True)
class Overview:
    """A trajectory: `at_a_time` is the median and the greatest number of aircraft at an instant.

    Each of the others is the (least, median, greatest) of all rows: position ENU in metres, horizontal speed and climb
    in metres per second.
    """

    aircraft: int
    segments: int
    rows: int
    end_s: float
    at_a_time: tuple[float, int]
    east_m: tuple[float, float, float]
    north_m: tuple[float, float, float]
    up_m: tuple[float, float, float]
    speed_mps: tuple[float, float, float]
    climb_mps: tuple[float, float, float]


def overview_of(trajectory: Trajectory) -> Overview:
    """Return the overview of a trajectory, which has at least one row."""
    states = np.concatenate([states_of(aircraft) for aircraft in trajectory.aircraft])
    segments = [segment for aircraft in trajectory.aircraft for segment in aircraft.segments]
    starts_s = np.sort([segment.times_s[0] for segment in segments])
    ends_s = np.sort([segment.times_s[-1] for segment in segments])
    instants_s = np.linspace(0.0, trajectory.end_s, INSTANTS)
    present = np.searchsorted(starts_s, instants_s, side="right") - np.searchsorted(ends_s, instants_s, side="left")
    return Overview(
        aircraft=len(trajectory.aircraft),
        segments=len(segments),
        rows=len(states),
        end_s=trajectory.end_s,
        at_a_time=(float(np.median(present)), int(present.max())),
        east_m=_spread(states[:, 0]),
        north_m=_spread(states[:, 1]),
        up_m=_spread(states[:, 2]),
        speed_mps=_spread(np.hypot(states[:, 3], states[:, 4])),
        climb_mps=_spread(states[:, 5]),
    )


def _spread(values: Floats) -> tuple[float, float, float]:
    return float(values.min()), float(np.median(values)), float(values.max())

"""Selection of state vectors: airborne, known, one a second, in the window, in pieces without long gaps."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from evaluation.recordings.errors import RecordingError
from evaluation.recordings.reading.state_vectors import StateVectors
from evaluation.recordings.reading.values import MAX_EPOCH_S, Floats
from evaluation.recordings.report import Booleans, Reason, Tally

Integers = npt.NDArray[np.int64]

MAX_WINDOW_S = 200_000.0
"""Two days; the smoother needs some 700 bytes for each second of each aircraft."""
MAX_BRIDGED_S = 3600.0


@dataclass(frozen=True, slots=True)
class Rules:
    """Selection rules of a recording, in seconds.

    Without `start_s` (since 1970) the window of `duration_s` is the one with most rows. A missing altitude, speed,
    track or climb is taken from up to `max_fill_s` before. An aircraft is split at gaps over `max_gap_s`; pieces under
    `min_piece_s` are dropped. Without `origin` (latitude and longitude in degrees, height in metres) it is the middle.

    A velocity's directions are those at the aircraft, and are turned into those at the origin: a degree each 110 km.
    Without `turn_velocities` they are used unchanged, which is how the sample recording is defined.
    """

    start_s: float | None = None
    duration_s: float = 1200.0
    max_fill_s: float = 30.0
    max_gap_s: float = 15.0
    min_piece_s: float = 60.0
    origin: tuple[float, float, float] | None = None
    turn_velocities: bool = True

    def __post_init__(self) -> None:
        """Raise `RecordingError` naming the first rule that is not finite or out of range."""
        latitude, longitude, height_m = self.origin or (0.0, 0.0, 0.0)
        for name, value, low, high in (
            ("start_s", self.start_s or 0.0, 0.0, MAX_EPOCH_S),
            ("duration_s", self.duration_s, 1.0, MAX_WINDOW_S),
            ("max_fill_s", self.max_fill_s, 0.0, MAX_BRIDGED_S),
            ("max_gap_s", self.max_gap_s, 1.0, MAX_BRIDGED_S),
            ("min_piece_s", self.min_piece_s, 1.0, MAX_WINDOW_S),
            ("origin latitude", latitude, -90.0, 90.0),
            ("origin longitude", longitude, -180.0, 180.0),
            ("origin height", height_m, -10_000.0, 100_000.0),
        ):
            if not low <= value <= high:  # false for NaN too
                raise RecordingError(f"{name}: should be from {low:g} to {high:g}, not {value:g}")


@dataclass(frozen=True, slots=True)
class Kept:
    """The rows kept, sorted by aircraft and time: indices (n,) of the state vectors.

    Piece i of one aircraft is rows bounds[i] to bounds[i + 1]. `fresh` (n,) marks positions that differ from the one
    before. The window starts at `start_s`, a whole second.
    """

    rows: Integers
    bounds: Integers
    fresh: Booleans
    start_s: float


def keep(vectors: StateVectors, rules: Rules, tally: Tally) -> tuple[StateVectors, Kept]:
    """Fill short gaps of missing values and select rows by the rules; excluded rows go to the tally."""
    tally.reject(Reason.ON_GROUND, "onground", vectors.on_ground)
    aircraft = _codes(vectors.id)
    second = np.floor(vectors.time_s)
    order = np.lexsort((vectors.time_s, aircraft))
    rows = order[tally.usable[order]]

    vectors = _fill(vectors, rows, aircraft, rules.max_fill_s)
    tally.reject(Reason.UNKNOWN, "altitude", np.isnan(vectors.altitude_m))
    tally.reject(Reason.UNKNOWN, "groundspeed", np.isnan(vectors.speed_mps))
    tally.reject(Reason.UNKNOWN, "track", np.isnan(vectors.track_rad))
    rows = rows[tally.usable[rows]]

    again = (np.diff(aircraft[rows], prepend=-1) == 0) & (np.diff(second[rows], prepend=-1.0) == 0.0)
    tally.reject_at(Reason.DUPLICATE, "timestamp", rows[again])
    start_s = rules.start_s
    if start_s is None:
        start_s = _busiest_start_s(second[tally.usable], rules.duration_s)
    start_s = float(math.floor(start_s))
    tally.reject(Reason.OUTSIDE_WINDOW, "timestamp", ~((second >= start_s) & (second < start_s + rules.duration_s)))
    rows = rows[tally.usable[rows]]

    bounds = _bounds(aircraft[rows], second[rows], rules.max_gap_s)
    spans_s = second[rows[bounds[1:] - 1]] - second[rows[bounds[:-1]]] + 1.0
    is_short = np.repeat(spans_s < rules.min_piece_s, np.diff(bounds))
    tally.reject_at(Reason.SHORT_PIECE, "timestamp", rows[is_short])
    rows = rows[~is_short]
    bounds = _bounds(aircraft[rows], second[rows], rules.max_gap_s)
    return vectors, Kept(rows, bounds, _fresh(vectors, rows, bounds), start_s)


def _codes(ids: Sequence[str]) -> Integers:
    """Return the index of each id (n,) in alphabetical order."""
    places = {name: place for place, name in enumerate(sorted(set(ids)))}
    return np.array([places[name] for name in ids], dtype=np.int64)


def _fill(vectors: StateVectors, rows: Integers, aircraft: Integers, max_fill_s: float) -> StateVectors:
    """Return the vectors with missing values taken from the same aircraft's last row that has them."""

    def filled(values: Floats) -> Floats:
        here = values[rows]
        source = np.maximum.accumulate(np.where(np.isnan(here), 0, np.arange(len(rows))))
        time_s = vectors.time_s[rows]
        same = (aircraft[rows[source]] == aircraft[rows]) & (time_s - time_s[source] <= max_fill_s)
        result = values.copy()
        result[rows] = np.where(same, here[source], np.nan)
        return result

    speed_mps = filled(vectors.speed_mps)
    # At rest there is no course, and none is needed.
    track_rad = np.where(speed_mps == 0.0, 0.0, filled(vectors.track_rad))
    return replace(
        vectors,
        altitude_m=filled(vectors.altitude_m),
        speed_mps=speed_mps,
        track_rad=track_rad,
        climb_mps=filled(vectors.climb_mps),
    )


def _busiest_start_s(second: Floats, duration_s: float) -> float:
    """Return the start of the window that contains most of the seconds (n,), the first such; 0 if there are none."""
    if not len(second):
        return 0.0
    ordered = np.sort(second)
    counts = np.searchsorted(ordered, ordered + duration_s) - np.searchsorted(ordered, ordered)
    return float(ordered[np.argmax(counts)])


def _bounds(aircraft: Integers, second: Floats, max_gap_s: float) -> Integers:
    """Return the starts of the pieces (p,) and, last, the number of rows; rows are sorted by aircraft and second."""
    if not len(aircraft):
        return np.zeros(1, dtype=np.int64)
    cuts = np.flatnonzero((np.diff(aircraft) != 0) | (np.diff(second) > max_gap_s)) + 1
    return np.concatenate([[0], cuts, [len(aircraft)]]).astype(np.int64)


def _fresh(vectors: StateVectors, rows: Integers, bounds: Integers) -> Booleans:
    """Return which rows (n,) have a position other than the row before; the first of a piece always does."""
    latitude, longitude = vectors.latitude_deg[rows], vectors.longitude_deg[rows]
    fresh: Booleans = (np.diff(latitude, prepend=np.nan) != 0.0) | (np.diff(longitude, prepend=np.nan) != 0.0)
    fresh[bounds[:-1]] = True
    return fresh

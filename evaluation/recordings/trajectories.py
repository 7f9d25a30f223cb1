"""Smooth trajectories of the selected state vectors: one state a second for each piece of each aircraft."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from evaluation.recordings.geodesy import GeodeticPosition, to_enu, turn_to_enu
from evaluation.recordings.reading.cleaning import Integers, Kept
from evaluation.recordings.reading.state_vectors import StateVectors
from evaluation.recordings.reading.values import Floats
from evaluation.recordings.smoother import Series, smooth

SPECTRAL_DENSITY_M2PS5 = (1.0, 1.0, 0.3)
POSITION_SIGMA_M = (60.0, 60.0, 25.0)
MAX_BATCH_STEPS = 50_000
"""Steps of all pieces smoothed at once, padding included: some 50 MB. A longer piece is smoothed alone."""

Progress = Callable[[str, int, int], None]
"""Progress callback: the work in progress, the amount done, and the total (0 if it is not known)."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One aircraft without a gap: a row each second from `start_s` on, counted from the start of the window.

    `states` (n, 6) are east, north, up in metres and their rates in metres per second; there are n callsigns and
    squawks, empty if not known.
    """

    icao24: str
    callsigns: Sequence[str]
    squawks: Sequence[str]
    start_s: int
    states: Floats


def make_trajectories(
    vectors: StateVectors, kept: Kept, origin: GeodeticPosition, turn_velocities: bool, progress: Progress
) -> tuple[tuple[Piece, ...], int]:
    """Return the pieces in the order of `kept`, and the number of coordinates refused by the smoother's gate.

    For `turn_velocities` see `Rules`.
    """
    measured = _measure(vectors, kept, origin, turn_velocities)
    states: dict[int, Floats] = {}
    gated = 0
    for batch in _batches([piece.steps for piece in measured]):
        progress("smoothing", len(states), len(measured))
        smoothed, refused = _smooth([measured[number] for number in batch])
        states |= dict(zip(batch, smoothed, strict=True))
        gated += refused
    progress("smoothing", len(measured), len(measured))
    pieces = [_piece(vectors, piece, kept.start_s, states[number]) for number, piece in enumerate(measured)]
    return tuple(pieces), gated


@dataclass(frozen=True, slots=True)
class _Measured:
    """One piece's measurements: m rows, at whole seconds `at` (m,) from its first on, out of `steps`.

    Positions and velocities (m, 3) are ENU, NaN where there is none; `rows` (m,) are indices of the state vectors.
    """

    rows: Integers
    at: Integers
    position_m: Floats
    velocity_mps: Floats
    first_s: float
    steps: int


def _measure(vectors: StateVectors, kept: Kept, origin: GeodeticPosition, turn_velocities: bool) -> list[_Measured]:
    """Return the measurements of the pieces' rows.

    Frozen positions are no measurements. The altitude is one in every row: it is transmitted in separate messages.
    """
    rows = kept.rows
    second = np.floor(vectors.time_s[rows])
    latitude_deg, longitude_deg = vectors.latitude_deg[rows], vectors.longitude_deg[rows]
    position_m = to_enu(latitude_deg, longitude_deg, vectors.altitude_m[rows], origin)
    velocity_mps = _velocity_mps(vectors, rows)
    if turn_velocities:
        climb_known = np.isfinite(velocity_mps[:, 2])
        velocity_mps = turn_to_enu(np.nan_to_num(velocity_mps), latitude_deg, longitude_deg, origin)
        velocity_mps[~climb_known, 2] = np.nan
    # A row between two seconds is moved back to the first of them with its own velocity.
    position_m -= np.nan_to_num(velocity_mps) * (vectors.time_s[rows] - second)[:, None]
    position_m[~kept.fresh, :2] = np.nan
    measured = []
    for begin, end in pairwise(kept.bounds.tolist()):
        at = (second[begin:end] - second[begin]).astype(np.int64)
        own = slice(begin, end)
        measured.append(
            _Measured(rows[own], at, position_m[own], velocity_mps[own], float(second[begin]), int(at[-1]) + 1)
        )
    return measured


def _velocity_mps(vectors: StateVectors, rows: Integers) -> Floats:
    """Return velocities (n, 3), ENU, the rate of climb NaN where it is not known."""
    speed_mps, track_rad = vectors.speed_mps[rows], vectors.track_rad[rows]
    return np.stack([speed_mps * np.sin(track_rad), speed_mps * np.cos(track_rad), vectors.climb_mps[rows]], axis=-1)


def _batches(steps: Sequence[int]) -> Iterator[list[int]]:
    """Yield the indices of all pieces, in groups of similar length, of at most `MAX_BATCH_STEPS` steps."""
    batch: list[int] = []
    for number in sorted(range(len(steps)), key=lambda number: steps[number]):
        if batch and steps[number] * (len(batch) + 1) > MAX_BATCH_STEPS:
            yield batch
            batch = []
        batch.append(number)
    if batch:
        yield batch


def _smooth(measured: Sequence[_Measured]) -> tuple[list[Floats], int]:
    """Return the states (n, 6) of each piece and the number of positions refused."""
    steps = np.array([piece.steps for piece in measured], dtype=np.int64)
    shape = (int(steps.max()), len(measured), 3)
    position_m, velocity_mps = np.full(shape, np.nan), np.full(shape, np.nan)
    for number, piece in enumerate(measured):
        position_m[piece.at, number], velocity_mps[piece.at, number] = piece.position_m, piece.velocity_mps
    smoothed = smooth(
        Series(
            position_m.reshape(len(position_m), -1),
            velocity_mps.reshape(len(velocity_mps), -1),
            np.repeat(steps, 3),
            np.tile(SPECTRAL_DENSITY_M2PS5, len(measured)),
            np.tile(POSITION_SIGMA_M, len(measured)),
        )
    )
    states = np.concatenate([smoothed.position_m.reshape(shape), smoothed.velocity_mps.reshape(shape)], axis=-1)
    return [states[: piece.steps, number] for number, piece in enumerate(measured)], int(smoothed.gated.sum())


def _piece(vectors: StateVectors, measured: _Measured, window_start_s: float, states: Floats) -> Piece:
    """Return a piece with the texts last known before each second, or else first known after it."""
    latest = (np.searchsorted(measured.at, np.arange(measured.steps), side="right") - 1).tolist()
    rows = measured.rows.tolist()
    callsigns, squawks = (
        _filled([vectors.callsign[row] for row in rows]),
        _filled([vectors.squawk[row] for row in rows]),
    )
    return Piece(
        vectors.id[rows[0]],
        [callsigns[place] for place in latest],
        [squawks[place] for place in latest],
        int(measured.first_s - window_start_s),
        states,
    )


def _filled(texts: list[str]) -> list[str]:
    known = next((text for text in texts if text), "")
    return [known := text or known for text in texts]

"""Recorded traffic: a clean trajectory table, and the state of its aircraft at any time."""

import csv
import io
import math
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from botspec.yaml_source import Problem, SpecError
from svc_sim.domain.kinematics import Vector

COLUMNS = ("t", "icao24", "callsign", "squawk", "east_m", "north_m", "up_m", "ve", "vn", "vu")
MAX_GAP_S = 15.0
"""Between rows further apart an aircraft is absent: what it did there is not known."""
MAX_ROWS = 5_000_000
MAX_AIRCRAFT = 2000
"""Together with the other fields of a contact, what a snapshot below 900 kB can hold with a wide margin."""
MAX_PROBLEMS = 20
MAX_TIME_S = 1e8
MAX_DISTANCE_M = 1e8
MAX_SPEED_MPS = 1e5

_TEXT_COLUMNS = ("icao24", "callsign", "squawk")
_LIMITS = {"t": MAX_TIME_S} | dict.fromkeys(("east_m", "north_m", "up_m"), MAX_DISTANCE_M)
_MAX_TEXT_CHARACTERS = 64
_STATE = 6


@dataclass(frozen=True, slots=True)
class Segment:
    """Rows of one aircraft without a gap in time: `times_s` (n,) and `states` (n * 6,), row after row."""

    times_s: "array[float]"
    states: "array[float]"

    def point_at(self, t_s: float) -> tuple[Vector, Vector] | None:
        """Return (position in m, velocity in m/s) in ENU, or None before the first and after the last row.

        Between two rows, h seconds apart and with s = (t - t0) / h: the cubic with the rows' positions and velocities
        at both ends (de Boor, A Practical Guide to Splines, ch. IV: piecewise cubic Hermite interpolation), with d the
        difference of the positions:

            p(s) = p0 + (3 s^2 - 2 s^3) d + (s - 2 s^2 + s^3) h v0 + (s^3 - s^2) h v1
            v(s) = 6 (s - s^2) d / h + (1 - 4 s + 3 s^2) v0 + (3 s^2 - 2 s) v1
        """
        times_s, states = self.times_s, self.states
        if not times_s[0] <= t_s <= times_s[-1]:
            return None
        row = bisect_right(times_s, t_s) - 1
        t0_s = times_s[row]
        if t_s == t0_s:
            e0, n0, u0, ve0, vn0, vu0 = states[_STATE * row : _STATE * (row + 1)]
            return (e0, n0, u0), (ve0, vn0, vu0)
        e0, n0, u0, ve0, vn0, vu0, e1, n1, u1, ve1, vn1, vu1 = states[_STATE * row : _STATE * (row + 2)]
        h = times_s[row + 1] - t0_s
        s = (t_s - t0_s) / h
        s2 = s * s
        s3 = s2 * s
        pd, p0, p1 = 3.0 * s2 - 2.0 * s3, (s - 2.0 * s2 + s3) * h, (s3 - s2) * h
        vd, v0, v1 = 6.0 * (s - s2) / h, 1.0 - 4.0 * s + 3.0 * s2, 3.0 * s2 - 2.0 * s
        de, dn, du = e1 - e0, n1 - n0, u1 - u0
        return (
            (
                e0 + pd * de + p0 * ve0 + p1 * ve1,
                n0 + pd * dn + p0 * vn0 + p1 * vn1,
                u0 + pd * du + p0 * vu0 + p1 * vu1,
            ),
            (vd * de + v0 * ve0 + v1 * ve1, vd * dn + v0 * vn0 + v1 * vn1, vd * du + v0 * vu0 + v1 * vu1),
        )


@dataclass(frozen=True, slots=True)
class Aircraft:
    """One aircraft of a recording: its identity and its segments, with their start times in `starts_s`."""

    icao24: str
    callsign: str
    starts_s: tuple[float, ...]
    segments: tuple[Segment, ...]

    def point_at(self, t_s: float) -> tuple[Vector, Vector] | None:
        """Return (position in m, velocity in m/s) in ENU, or None where the aircraft is absent."""
        number = bisect_right(self.starts_s, t_s) - 1
        return self.segments[number].point_at(t_s) if number >= 0 else None


@dataclass(frozen=True, slots=True)
class Trajectory:
    """A recording: its aircraft in the order of their first rows, and the time of its last row in seconds."""

    aircraft: tuple[Aircraft, ...]
    end_s: float

    def of(self, icao24: str) -> Aircraft:
        """Return one aircraft. Raises KeyError."""
        return {each.icao24: each for each in self.aircraft}[icao24]


def parse_trajectory(text: str, path: Path) -> Trajectory:
    """Read a trajectory table: CSV with exactly `COLUMNS`, times from 0 on and increasing for each aircraft.

    Raises `SpecError` naming `path`, line and column of up to `MAX_PROBLEMS` problems.
    """
    rows = _Rows(path)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        rows.check_header(next(reader, []))
        for fields in reader:
            rows.add(reader.line_num, fields)
    except csv.Error as error:
        rows.refuse(reader.line_num, "", f"not CSV: {error}")
    if not rows.problems and not rows.by_icao24:
        rows.refuse(1, "", "holds no rows")
    if rows.problems:
        raise SpecError(rows.problems)
    aircraft = tuple(_aircraft(icao24, read) for icao24, read in rows.by_icao24.items())
    return Trajectory(aircraft, max(read.times_s[-1] for read in rows.by_icao24.values()))


@dataclass(slots=True)
class _Read:
    """Rows read so far for one aircraft."""

    callsign: str
    times_s: "array[float]" = field(default_factory=lambda: array("d"))
    states: "array[float]" = field(default_factory=lambda: array("d"))


@dataclass(slots=True)
class _Rows:
    """The table read so far, and its problems."""

    path: Path
    by_icao24: dict[str, _Read] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    count: int = 0

    def refuse(self, line: int, column: str, message: str) -> None:
        """Add a problem; raise `SpecError` with all problems once there are `MAX_PROBLEMS`."""
        self.problems.append(Problem(self.path, line, column, message))
        if len(self.problems) >= MAX_PROBLEMS:
            raise SpecError(self.problems)

    def check_header(self, header: list[str]) -> None:
        """Raise `SpecError` if the first line differs from `COLUMNS`: no row can be read then."""
        if tuple(header) != COLUMNS:
            for column in COLUMNS:
                if column not in header:
                    self.refuse(1, column, "this column is missing")
            if not self.problems:
                self.refuse(1, "", f"the columns should be {','.join(COLUMNS)}, not {','.join(header)[:200]}")
            raise SpecError(self.problems)

    def add(self, line: int, fields: list[str]) -> None:
        """Add one row, or its problem."""
        self.count += 1
        if self.count > MAX_ROWS:
            raise SpecError([*self.problems, Problem(self.path, line, "", f"more than {MAX_ROWS} rows")])
        if len(fields) != len(COLUMNS):
            missing = COLUMNS[len(fields)] if len(fields) < len(COLUMNS) else ""
            self.refuse(line, missing, f"{len(fields)} fields, should be {len(COLUMNS)}")
            return
        row = dict(zip(COLUMNS, fields, strict=True))
        faults = [*_text_faults(row), *_number_faults(row)]
        for column, message in faults:
            self.refuse(line, column, message)
        if not faults:
            self._store(line, row)

    def _store(self, line: int, row: dict[str, str]) -> None:
        read = self.by_icao24.setdefault(row["icao24"], _Read(row["callsign"]))
        if len(self.by_icao24) > MAX_AIRCRAFT:
            problem = Problem(self.path, line, "icao24", f"more than {MAX_AIRCRAFT} aircraft")
            raise SpecError([*self.problems, problem])
        t_s = float(row["t"])
        if read.times_s and t_s <= read.times_s[-1]:
            self.refuse(
                line, "t", f"{t_s!r} does not come after {read.times_s[-1]!r}, the row before of {row['icao24']!r}"
            )
            return
        read.callsign = read.callsign or row["callsign"]
        read.times_s.append(t_s)
        read.states.extend(float(row[column]) for column in COLUMNS[-_STATE:])


def _text_faults(row: dict[str, str]) -> Iterator[tuple[str, str]]:
    for column in _TEXT_COLUMNS:
        text = row[column]
        if len(text) > _MAX_TEXT_CHARACTERS or not (text.isascii() and text.isprintable()):
            yield column, f"should be at most {_MAX_TEXT_CHARACTERS} printable ASCII characters, not {text[:80]!r}"
    if not row["icao24"].strip():
        yield "icao24", "is empty"


def _number_faults(row: dict[str, str]) -> Iterator[tuple[str, str]]:
    for column in ("t", *COLUMNS[-_STATE:]):
        text = row[column]
        try:
            value = float(text)
        except ValueError:
            yield column, f"not a number: {text[:80]!r}"
            continue
        limit = _LIMITS.get(column, MAX_SPEED_MPS)
        if "_" in text or not text.isascii() or not math.isfinite(value):
            yield column, f"not a finite number: {text[:80]!r}"
        elif abs(value) > limit or (column == "t" and value < 0.0):
            yield column, f"out of [{0.0 if column == 't' else -limit!r}, {limit!r}]: {text[:80]!r}"


def _aircraft(icao24: str, read: _Read) -> Aircraft:
    times_s = read.times_s
    cuts = [row for row in range(1, len(times_s)) if times_s[row] - times_s[row - 1] > MAX_GAP_S]
    bounds = [0, *cuts, len(times_s)]
    segments = tuple(
        Segment(times_s[begin:end], read.states[_STATE * begin : _STATE * end]) for begin, end in pairwise(bounds)
    )
    return Aircraft(icao24, read.callsign, tuple(segment.times_s[0] for segment in segments), segments)

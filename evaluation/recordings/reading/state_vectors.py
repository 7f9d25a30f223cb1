"""Checked state vectors as arrays in SI units, from a table's raw values."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.recordings.reading.columns import Columns
from evaluation.recordings.reading.table import Table
from evaluation.recordings.reading.values import Floats, numbers, texts, times_s, truths
from evaluation.recordings.report import Booleans, Reason, Tally

MAX_ALTITUDE_M = 100_000.0
MAX_SPEED_MPS = 1000.0
MAX_RATE_MPS = 500.0
AIS_NO_SPEED_KT = 102.3
AIS_NO_COURSE_DEG = 360.0
"""Recommendation ITU-R M.1371-5, table 48: values that a ship sends for "not available"."""


@dataclass(frozen=True, slots=True)
class StateVectors:
    """Rows of a recording, arrays (n,): position in degrees and metres, NaN for missing optional values.

    `track_rad` is clockwise from north, `speed_mps` horizontal, `climb_mps` upwards. Values of rows that `Tally.usable`
    does not mark are arbitrary.
    """

    time_s: Floats
    id: Sequence[str]
    callsign: Sequence[str]
    squawk: Sequence[str]
    latitude_deg: Floats
    longitude_deg: Floats
    altitude_m: Floats
    speed_mps: Floats
    track_rad: Floats
    climb_mps: Floats
    on_ground: Booleans


def parse_state_vectors(table: Table, columns: Columns, tally: Tally) -> StateVectors:
    """Check every row and reject the invalid ones in `tally`; a ship's height and climb (AIS) are 0."""
    raw = {field: table.columns[column.name] for field, column in columns.by_field.items()}
    count = len(table.numbers)
    missing: tuple[None, ...] = (None,) * count

    def limited(field: str, low: float, high: float) -> Floats:
        values = raw.get(field, missing)
        column = columns.by_field.get(field)
        result = numbers(values, field, tally) * (column.factor if column else 1.0)
        tally.reject(Reason.OUT_OF_RANGE, field, (result < low) | (result > high), values)
        return result

    def required(field: str, low: float, high: float) -> Floats:
        result = limited(field, low, high)
        tally.reject(Reason.EMPTY, field, np.isnan(result), raw[field])
        return result

    time = times_s(raw["timestamp"], "timestamp", tally)
    identity = [text.lower() for text in texts(raw["id"], "id", tally)]
    tally.reject(Reason.EMPTY, "id", np.array([not text for text in identity], dtype=np.bool_), raw["id"])
    if columns.is_ais:
        raw["groundspeed"] = _without(raw["groundspeed"], AIS_NO_SPEED_KT)
        raw["track"] = _without(raw["track"], AIS_NO_COURSE_DEG)
    return StateVectors(
        time_s=time,
        id=identity,
        callsign=texts(raw.get("callsign", missing), "callsign", tally),
        squawk=[_squawk(text) for text in texts(raw.get("squawk", missing), "squawk", tally)],
        latitude_deg=required("latitude", -90.0, 90.0),
        longitude_deg=required("longitude", -180.0, 180.0),
        altitude_m=np.zeros(count) if columns.is_ais else limited("altitude", -MAX_ALTITUDE_M, MAX_ALTITUDE_M),
        speed_mps=limited("groundspeed", 0.0, MAX_SPEED_MPS),
        track_rad=np.radians(limited("track", -360.0, 360.0)),
        climb_mps=np.zeros(count) if columns.is_ais else limited("vertical_rate", -MAX_RATE_MPS, MAX_RATE_MPS),
        on_ground=truths(raw.get("onground", missing), "onground", tally),
    )


def _without(values: Sequence[object], not_known: float) -> list[object]:
    return [None if _equals(value, not_known) else value for value in values]


def _equals(value: object, number: float) -> bool:
    try:
        return not isinstance(value, bool) and isinstance(value, int | float | str) and float(value) == number
    except (ValueError, OverflowError):
        return False


def _squawk(text: str) -> str:
    """Return four octal digits: numeric tables lose the leading zeros."""
    return text.zfill(4) if text.isdigit() else text

"""Columns of a table: field and unit of each, from the names that recordings use and those that a person gives."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from evaluation.recordings.errors import RecordingError

FOOT_M = 0.3048
KNOT_MPS = 1852.0 / 3600.0
UNITS: Final[Mapping[str, Mapping[str, float]]] = {
    "altitude": {"ft": FOOT_M, "m": 1.0},
    "groundspeed": {"kt": KNOT_MPS, "mps": 1.0, "kmh": 1.0 / 3.6},
    "vertical_rate": {"fpm": FOOT_M / 60.0, "mps": 1.0},
}
"""Factor to SI of each unit, for the fields that come in several units; the usual unit first."""

ALIASES: Final[Mapping[str, Sequence[str]]] = {
    "timestamp": ("timestamp", "time", "ts", "datetime", "BaseDateTime"),
    "id": ("icao24", "icao", "hex", "mmsi", "MMSI"),
    "latitude": ("latitude", "lat"),
    "longitude": ("longitude", "lon", "lng", "long"),
    "altitude": (
        *("altitude", "altitude_ft", "altitude_m:m", "alt", "alt_baro", "baroaltitude:m", "baro_altitude:m"),
        *("geoaltitude", "geo_altitude:m", "alt_geom"),
    ),
    "groundspeed": ("groundspeed", "gs", "sog", "ground_speed", "speed", "velocity:mps"),
    "track": ("track", "cog", "true_track", "heading"),
    "vertical_rate": ("vertical_rate", "verticalrate", "baro_rate", "vertrate:mps", "geom_rate"),
    "callsign": ("callsign", "flight", "VesselName", "shipname", "name"),
    "squawk": ("squawk",),
    "onground": ("onground", "on_ground"),
}
"""Names of each field, the preferred one first, case-insensitive; `:unit` where it is not the usual one."""

_ALWAYS = ("timestamp", "id", "latitude", "longitude", "groundspeed", "track")
_AIS_ID = "mmsi"


@dataclass(frozen=True, slots=True)
class Column:
    """The column that holds a field, and the factor that turns its values into SI units."""

    name: str
    factor: float
    unit: str

    def __str__(self) -> str:
        return f"{self.name} ({self.unit})" if self.unit else self.name


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a table that are read, by field, and the names of the others."""

    by_field: Mapping[str, Column]
    ignored: tuple[str, ...]
    is_ais: bool


def choose_columns(names: Sequence[str], given: Iterable[str] = ()) -> Columns:
    """Find the fields among a table's columns; `given` is like `altitude=geoaltitude:m` and comes first.

    If the speed is OpenSky's `velocity`, which is metric, `geoaltitude` is in metres too; others give it in feet.
    Raises `RecordingError` for an invalid `given`, and if a required column is missing.
    """
    requested = dict(_given(text, names) for text in given)
    by_field = dict(requested)
    known = {name.strip().lower(): name for name in reversed(names)}
    for field, aliases in ALIASES.items():
        for alias in aliases:
            name, _, unit = alias.partition(":")
            if field not in by_field and name.lower() in known:
                by_field[field] = _column(field, known[name.lower()], unit)
    called = {field: column.name.lower() for field, column in by_field.items()}
    if (
        "altitude" not in requested
        and called.get("altitude") == "geoaltitude"
        and called.get("groundspeed") == "velocity"
    ):
        by_field["altitude"] = _column("altitude", by_field["altitude"].name, "m")
    is_ais = called.get("id") == _AIS_ID
    for field in _ALWAYS if is_ais else (*_ALWAYS, "altitude"):
        if field not in by_field:
            accepted = ", ".join(alias.partition(":")[0] for alias in ALIASES[field])
            raise RecordingError(
                f"no column for {field}: expected {accepted}; or name it: --column {field}=NAME. "
                f"The columns are {', '.join(names)[:300] or 'none'}"
            )
    used = {column.name for column in by_field.values()}
    return Columns(by_field, tuple(name for name in names if name not in used), is_ais)


def _given(text: str, names: Sequence[str]) -> tuple[str, Column]:
    field, _, name = text.partition("=")
    unit = ""
    if name not in names and ":" in name:  # a column's own name may contain a colon
        name, _, unit = name.rpartition(":")
    if field not in ALIASES or not name:
        fields = ", ".join(ALIASES)
        raise RecordingError(f"--column {text}: expected FIELD=NAME or FIELD=NAME:UNIT, FIELD one of {fields}")
    if name not in names:
        raise RecordingError(f"--column {text}: there is no column {name!r}, only {', '.join(names)[:300]}")
    units = UNITS.get(field, {})
    if unit and unit not in units:
        raise RecordingError(f"--column {text}: units of {field}: {', '.join(units) or 'none'}")
    return field, _column(field, name, unit)


def _column(field: str, name: str, unit: str) -> Column:
    units = UNITS.get(field)
    if units is None:
        return Column(name, 1.0, "")
    unit = unit or next(iter(units))
    return Column(name, units[unit], unit)

"""Statistics of a recording: a few numbers for each aircraft, to compare two recordings."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from evaluation.recordings.errors import RecordingError
from evaluation.recordings.reading.values import Floats
from svc_sim.domain.contacts.trajectory import Aircraft, Trajectory

POSITION_TOLERANCE_M = 0.5
SPEED_TOLERANCE_MPS = 0.05
"""Wide enough for another processor's rounding, far below the differences of another recording."""
MAX_DIFFERENCES = 5
_STATE = 6


@dataclass(frozen=True, slots=True)
class AircraftStatistics:
    """One aircraft: its rows, first and last time in seconds, mean position (ENU) and mean horizontal speed."""

    rows: int
    first_s: float
    last_s: float
    mean_east_m: float
    mean_north_m: float
    mean_up_m: float
    mean_speed_mps: float


def statistics_of(trajectory: Trajectory) -> dict[str, AircraftStatistics]:
    """Return the statistics of each aircraft, by icao24 in alphabetical order."""
    return {aircraft.icao24: _of(aircraft) for aircraft in sorted(trajectory.aircraft, key=lambda own: own.icao24)}


def states_of(aircraft: Aircraft) -> Floats:
    """Return all rows (n, 6) of an aircraft: east, north, up and their rates."""
    return np.concatenate([np.frombuffer(own.states).reshape(-1, _STATE) for own in aircraft.segments])


def to_json(statistics: Mapping[str, AircraftStatistics]) -> str:
    """Return the statistics as text, with the totals first."""
    totals = {"aircraft": len(statistics), "rows": sum(own.rows for own in statistics.values())}
    lines = [f'    "{name}": {json.dumps(asdict(own))}' for name, own in statistics.items()]
    return json.dumps(totals)[:-1] + ',\n  "by_aircraft": {\n' + ",\n".join(lines) + "\n  }\n}\n"


def read_statistics(path: Path) -> dict[str, AircraftStatistics]:
    """Read the output of `to_json`; the file is ours, so any other content is our bug."""
    by_aircraft = json.loads(path.read_text(encoding="utf-8"))["by_aircraft"]
    return {name: AircraftStatistics(**own) for name, own in by_aircraft.items()}


def differences(found: Mapping[str, AircraftStatistics], expected: Mapping[str, AircraftStatistics]) -> list[str]:
    """Return the differences beyond the tolerances, in words, at most `MAX_DIFFERENCES`."""
    texts = [f"{name} is missing" for name in expected.keys() - found.keys()]
    texts += [f"{name} should not be there" for name in found.keys() - expected.keys()]
    for name in expected.keys() & found.keys():
        theirs, ours = asdict(found[name]), asdict(expected[name])
        for field, value in ours.items():
            if not math.isclose(theirs[field], value, rel_tol=0.0, abs_tol=_tolerance(field)):
                texts.append(f"{name}: {field} is {theirs[field]:g} instead of {value:g}")
    return sorted(texts)[:MAX_DIFFERENCES]


def check(trajectory: Trajectory, expected: Mapping[str, AircraftStatistics], what: str) -> None:
    """Raise `RecordingError` if the trajectory has other statistics."""
    problems = differences(statistics_of(trajectory), expected)
    if problems:
        raise RecordingError(f"{what} is not the recording it should be: {'; '.join(problems)}")


def _of(aircraft: Aircraft) -> AircraftStatistics:
    states = states_of(aircraft)
    east_m, north_m, up_m = states[:, :3].mean(axis=0).tolist()
    return AircraftStatistics(
        rows=len(states),
        first_s=aircraft.segments[0].times_s[0],
        last_s=aircraft.segments[-1].times_s[-1],
        mean_east_m=round(east_m, 1),
        mean_north_m=round(north_m, 1),
        mean_up_m=round(up_m, 1),
        mean_speed_mps=round(float(np.hypot(states[:, 3], states[:, 4]).mean()), 2),
    )


def _tolerance(field: str) -> float:
    if field.endswith("_mps"):
        return SPEED_TOLERANCE_MPS
    return POSITION_TOLERANCE_M if field.endswith("_m") else 0.0

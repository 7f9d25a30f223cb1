"""Scenario files: YAML, YAML with a recording beside it, or a recording alone."""

import gzip
import hashlib
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, cast

from botspec import yaml_source
from botspec.components.radar import Radar
from botspec.yaml_source import Document, Problem, SpecError
from svc_sim.domain.scenario import Body, LoadedScenario, Scenario
from svc_sim.domain.sensor_faults import FaultPlan, UnknownSensorsError, plan_faults
from svc_sim.domain.trajectory import Trajectory, parse_trajectory

MAX_TRAJECTORY_BYTES = 512 * 1024 * 1024
"""Of the text, unpacked: `MAX_ROWS` rows of some hundred bytes."""


def load_scenario(path: Path, radars: Sequence[Radar] | None = None) -> LoadedScenario:
    """Read a scenario (.yaml, .yml) or a recording (.csv, .csv.gz), which gives a bot at rest at the origin.

    With the bot's radars, sensor faults are resolved to them; without, faults are ignored.
    Raises `SpecError` with one line per problem.
    """
    if path.name.endswith((".csv", ".csv.gz")):
        trajectory, digest = _load_trajectory(path)
        scenario = Scenario(schema_version=1, name=_label(path), own_ship=Body(position_m=(0.0, 0.0, 0.0)))
        return LoadedScenario(scenario, trajectory, digest, path)
    if path.suffix not in (".yaml", ".yml"):
        raise SpecError([Problem(path, 0, "", "should end in .yaml, .yml, .csv or .csv.gz")])
    document = yaml_source.load(path)
    scenario = yaml_source.validate(Scenario, document)
    faults = () if radars is None else _planned(scenario, document, radars)
    if scenario.trajectory is None:
        return LoadedScenario(scenario, None, document.digest, path, faults)
    recording = path.parent / scenario.trajectory
    if not recording.is_file():
        line = document.line(("trajectory",))
        raise SpecError([Problem(path, line, "trajectory", f"there is no file {recording}")])
    trajectory, digest = _load_trajectory(recording)
    both = hashlib.sha256(f"{document.digest}\n{digest}\n".encode()).hexdigest()
    return LoadedScenario(scenario, trajectory, both, path, faults)


def _planned(scenario: Scenario, document: Document, radars: Sequence[Radar]) -> tuple[FaultPlan, ...]:
    try:
        return plan_faults(scenario.sensor_faults, radars)
    except UnknownSensorsError as error:
        places = [(("sensor_faults", number, "sensor"), message) for number, message in error.problems]
        raise SpecError(
            Problem(document.path, document.line(loc), document.where(loc), message) for loc, message in places
        ) from None


def _load_trajectory(path: Path) -> tuple[Trajectory, str]:
    """Return the recording and the SHA-256 of its unpacked text, which does not depend on the compression."""
    try:
        with _open(path) as file:
            raw = file.read(MAX_TRAJECTORY_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise SpecError([Problem(path, 0, "", f"cannot be read: {error}")]) from None
    if len(raw) > MAX_TRAJECTORY_BYTES:
        raise SpecError([Problem(path, 0, "", f"larger than {MAX_TRAJECTORY_BYTES} bytes")])
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise SpecError([Problem(path, line, "", f"not UTF-8: {error.reason}")]) from None
    return parse_trajectory(text, path), hashlib.sha256(raw).hexdigest()


def _open(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path, "rb")) if path.suffix == ".gz" else path.open("rb")


def _label(path: Path) -> str:
    name = path.name.removesuffix(".gz").removesuffix(".csv")
    text = "".join(character if "!" <= character <= "~" else "-" for character in name)
    return text[:64] or "recording"

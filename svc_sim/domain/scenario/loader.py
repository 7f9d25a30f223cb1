"""Scenario files: YAML, YAML with a recording beside it, or a recording alone."""

import gzip
import hashlib
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, cast

from botspec import yaml_source
from botspec.components.radar import Radar
from botspec.yaml_source import Document, Loc, Problem, SpecError
from svc_sim.domain.contacts.motion import RecordedMotion
from svc_sim.domain.contacts.trajectory import Trajectory, parse_trajectory
from svc_sim.domain.scenario.faults import BotPart, TransponderFault, fault_problems
from svc_sim.domain.scenario.scenario import Body, LoadedScenario, Scenario
from svc_sim.domain.scenario.sensor_faults import FaultPlan, UnknownSensorsError, plan_component_faults, plan_faults

MAX_TRAJECTORY_BYTES = 512 * 1024 * 1024
"""Of the text, unpacked: `MAX_ROWS` rows of some hundred bytes."""
MAX_NAMED = 20


def load_scenario(
    path: Path, radars: Sequence[Radar] | None = None, parts: Mapping[str, BotPart] | None = None
) -> LoadedScenario:
    """Read a scenario (.yaml, .yml) or a recording (.csv, .csv.gz), which gives a bot at rest at the origin.

    With the bot's radars, sensor faults are resolved to them; without, faults are ignored. `parts` are the bot's
    components by name; with them, faults of components are resolved, and those of others refused.
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
    _refuse(document, fault_problems(scenario.faults, parts, _contact_names(scenario)))
    faults = () if radars is None else _planned(scenario, document, radars)
    faults += plan_component_faults(scenario.faults, parts or {})
    recordings, digests = _load_recordings(scenario, document)
    recorded: Trajectory | None = None
    if scenario.trajectory is not None:
        recorded = recordings.pop(scenario.trajectory)
        _refuse(document, scenario.reference_problems([aircraft.icao24 for aircraft in recorded.aircraft]))
    _refuse(document, _aircraft_problems(scenario, recordings))
    digest = document.digest
    if digests:
        digest = hashlib.sha256("".join(f"{each}\n" for each in (digest, *digests)).encode()).hexdigest()
    return LoadedScenario(scenario, recorded, digest, path, faults, recordings)


def _load_recordings(scenario: Scenario, document: Document) -> tuple[dict[str, Trajectory], list[str]]:
    """Return the scenario's recordings by the file's name in it, and the digest of each."""
    places: dict[str, Loc] = {}
    if scenario.trajectory is not None:
        places[scenario.trajectory] = ("trajectory",)
    for number, contact in enumerate(scenario.contacts):
        if isinstance(contact.motion, RecordedMotion):
            places.setdefault(contact.motion.file, ("contacts", number, "motion", "file"))
    recordings, digests = {}, []
    for name, loc in places.items():
        file = document.path.parent / name
        if not file.is_file():
            _refuse(document, [(loc, f"there is no file {file}")])
        recordings[name], digest = _load_trajectory(file)
        digests.append(digest)
    return recordings, digests


def _aircraft_problems(scenario: Scenario, recordings: Mapping[str, Trajectory]) -> Iterator[tuple[Loc, str]]:
    for number, contact in enumerate(scenario.contacts):
        motion = contact.motion
        if isinstance(motion, RecordedMotion):
            known = [aircraft.icao24 for aircraft in recordings[motion.file].aircraft]
            if motion.icao24 not in known:
                message = f"{motion.file} has no aircraft {motion.icao24!r} (it has: {', '.join(known[:MAX_NAMED])})"
                yield ("contacts", number, "motion", "icao24"), message


def _contact_names(scenario: Scenario) -> list[str]:
    """Return the names that faults may concern; those of a recording's aircraft are checked once it has been read."""
    if scenario.trajectory is None:
        return [contact.name for contact in scenario.contacts]
    return [fault.contact for fault in scenario.faults if isinstance(fault, TransponderFault) and fault.contact]


def _refuse(document: Document, problems: Iterable[tuple[Loc, str]]) -> None:
    found = [Problem(document.path, document.line(loc), document.where(loc), message) for loc, message in problems]
    if found:
        raise SpecError(sorted(found, key=lambda problem: problem.line))


def _planned(scenario: Scenario, document: Document, radars: Sequence[Radar]) -> tuple[FaultPlan, ...]:
    try:
        return plan_faults(scenario.sensor_faults, radars)
    except UnknownSensorsError as error:
        _refuse(document, [(("sensor_faults", number, "sensor"), message) for number, message in error.problems])
        raise  # never: there is at least one problem


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

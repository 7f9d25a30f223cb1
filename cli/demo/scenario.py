"""The demo's input: a scenario or a recording, whole or shortened."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml
from pydantic import ValidationError

from botspec.yaml_source import SpecError
from cli.errors import UsageError
from svc_sim.domain.scenario.loader import load_scenario
from svc_sim.domain.scenario.scenario import LoadedScenario, Scenario
from svc_sim.wiring import default_scenario


@contextmanager
def shortened(scenario: Path | None, duration_s: float | None) -> Iterator[tuple[Path | None, str]]:
    """Yield the scenario's file and name; with a duration, a temporary file of that duration, removed at the end.

    Without a file it is the simulator's own scenario. Raises UsageError where a file cannot be used, or is shorter than
    the duration.
    """
    try:
        loaded = load_scenario(scenario or default_scenario())
    except SpecError as error:
        raise UsageError(f"nothing was started, for a file cannot be used:\n{error}") from None
    name = loaded.scenario.name
    if duration_s is None:
        yield scenario, name
        return
    text = _shortened_text(loaded, duration_s)
    with TemporaryDirectory(prefix="qiki-scenario-") as directory:
        path = Path(directory) / "scenario.yaml"
        path.write_text(text, encoding="utf-8")
        yield path, name


def _shortened_text(loaded: LoadedScenario, duration_s: float) -> str:
    """Return the scenario as YAML with this duration; a recording is referenced by its absolute path."""
    script, recording = loaded.scenario, loaded.trajectory
    end_s = script.duration_s
    if end_s is None and recording is not None:
        end_s = recording.end_s
    if end_s is not None and duration_s > end_s:
        raise UsageError(f"--duration {duration_s:g}: {loaded.path} holds no more than {end_s:g} s.")
    document = script.model_dump(mode="json", exclude_none=True) | {"duration_s": duration_s}
    if recording is not None:
        named = loaded.path.parent / script.trajectory if script.trajectory else loaded.path
        document["trajectory"] = str(named.absolute())
    for contact in document["contacts"]:
        if "file" in contact.get("motion", {}):
            contact["motion"]["file"] = str((loaded.path.parent / contact["motion"]["file"]).absolute())
    try:
        Scenario.model_validate(document)
    except ValidationError as error:
        reasons = "; ".join(problem["msg"] for problem in error.errors())
        raise UsageError(f"--duration {duration_s:g}: {reasons}.") from None
    return yaml.safe_dump(document, sort_keys=False)

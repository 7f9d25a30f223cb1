"""A demo plays a whole scenario or recording, or its first part, and leaves nothing behind."""

from pathlib import Path

import pytest

from cli.demo.scenario import shortened
from cli.errors import UsageError
from svc_sim.domain.scenario.loader import load_scenario

RECORDING = "t,icao24,callsign,squawk,east_m,north_m,up_m,ve,vn,vu\n0,abc,A1,,0,0,9,1,0,0\n10,abc,A1,,10,0,9,1,0,0\n"
SCENARIO = """
schema_version: 1
name: two drones
duration_s: 60.0
start_time: 2026-01-01T00:00:00Z
own_ship: {position_m: [0, 0, 0], legs: [{duration_s: 5, turn_rate_dps: 1}]}
contacts:
  - {name: a, object_type: drone, position_m: [1, 2, 3], rcs_dbsm: 0, transponder: {mode: "on", id: A}}
  - {name: b, object_type: ship, position_m: [4, 5, 6], rcs_dbsm: 1, appears_at_s: 3}
"""


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(text)
    return path


def test_without_a_duration_the_file_is_played_as_it_is(tmp_path: Path) -> None:
    own = write(tmp_path / "paris.csv", RECORDING)
    with shortened(own, None) as (path, name):
        assert (path, name) == (own, "paris")
    with shortened(None, None) as (path, name):
        assert (path, name) == (None, "crossing")


def test_the_first_part_of_a_recording_is_the_recording_with_an_end(tmp_path: Path) -> None:
    with shortened(write(tmp_path / "paris.csv", RECORDING), 4.0) as (path, name):
        assert path is not None
        loaded = load_scenario(path)
    assert name == loaded.scenario.name == "paris"
    assert loaded.scenario.duration_s == 4.0
    assert loaded.trajectory is not None
    assert [aircraft.callsign for aircraft in loaded.trajectory.aircraft] == ["A1"]
    assert not path.exists()


def test_a_recording_that_a_scenario_names_beside_it_is_found(tmp_path: Path) -> None:
    write(tmp_path / "files" / "own.csv", RECORDING)
    text = "{schema_version: 1, name: x, own_ship: {position_m: [0, 0, 0]}, trajectory: files/own.csv}"
    with shortened(write(tmp_path / "x.yaml", text), 4.0) as (path, _):
        assert path is not None
        assert load_scenario(path).trajectory is not None


def test_the_first_part_of_a_scenario_differs_only_in_its_end(tmp_path: Path) -> None:
    own = write(tmp_path / "x.yaml", SCENARIO)
    with shortened(own, 20.0) as (path, _):
        assert path is not None
        short = load_scenario(path).scenario
    assert short == load_scenario(own).scenario.model_copy(update={"duration_s": 20.0})


def test_the_same_first_part_is_the_same_scenario_in_any_directory(tmp_path: Path) -> None:
    own = write(tmp_path / "x.yaml", SCENARIO)
    digests = set()
    for _ in range(2):
        with shortened(own, 20.0) as (path, _name):
            assert path is not None
            digests.add(load_scenario(path).digest)
    assert len(digests) == 1


@pytest.mark.parametrize(("name", "text", "most"), [("x.yaml", SCENARIO, "60"), ("x.csv", RECORDING, "10")])
def test_a_duration_beyond_the_end_is_refused(tmp_path: Path, name: str, text: str, most: str) -> None:
    own = write(tmp_path / name, text)
    with pytest.raises(UsageError, match=f"--duration 61: .* holds no more than {most} s"), shortened(own, 61.0):
        pass


@pytest.mark.parametrize("duration_s", [0.0, -1.0, float("nan"), 1e-10])
def test_an_invalid_duration_is_refused(tmp_path: Path, duration_s: float) -> None:
    own = write(tmp_path / "x.yaml", SCENARIO)
    with pytest.raises(UsageError, match="--duration"), shortened(own, duration_s):
        pass


def test_an_unusable_file_is_named_with_the_problem(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nothing was started.*\n.*x\.csv"), shortened(tmp_path / "x.csv", 1.0):
        pass

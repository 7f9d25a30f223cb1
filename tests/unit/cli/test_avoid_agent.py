"""The example agent, in a rehearsal without processes: it avoids what a straight flight would not."""

import ast
import json
from pathlib import Path
from typing import Any

import pytest

from botspec.example import example_bot_spec
from cli.runs.scenario.catalogue import catalogue, load_bot, load_for
from rehearsal import Rehearsed, load_module, rehearse
from svc_sim.domain.helm import Helm

PROGRAM = Path(__file__).parents[3] / "examples" / "agent" / "avoid.py"
ALLOWED = {"asyncio", "json", "math", "os", "dataclasses", "typing", "qiki", "qiki_sdk"}


@pytest.fixture(scope="module")
def program() -> Any:
    return load_module(PROGRAM)


def fly(program: Any, *, straight: bool) -> Rehearsed:
    bot = load_bot(example_bot_spec())
    loaded = load_for(catalogue()["avoid"], bot)
    task = program.read_task(json.dumps(loaded.scenario.model_dump(mode="json", include={"goals"})))
    picture = program.Picture()

    def pilot(time_ns: int, readings: list[Any], sets: list[Any]) -> Helm:
        for reading in readings:
            picture.take_reading(reading)
        for track_set in sets if not straight else ():
            picture.take_tracks(track_set)
        course_deg, speed_mps = program.choose_velocity(picture, task, time_ns)
        return Helm(course_deg=course_deg, speed_mps=speed_mps, turn_rate_dps=0.0)

    return rehearse(loaded, bot.spec, pilot)


def test_the_agent_reaches_its_way_point_and_keeps_clear(program: Any) -> None:
    flown = fly(program, straight=False)
    assert [verdict.passed for verdict in flown.verdicts] == [True, True], flown.verdicts


def test_a_straight_flight_would_come_too_near(program: Any) -> None:
    assert [verdict.passed for verdict in fly(program, straight=True).verdicts] == [True, False]


def test_a_failed_receiver_leaves_the_last_fix_to_be_carried_on(program: Any) -> None:
    body = program.Body(0, (100.0, 0.0, 0.0), (10.0, -5.0, 0.0))
    assert body.at(2 * 10**9) == (120.0, -10.0, 0.0)


def test_the_closest_point_of_approach_of_a_crossing_track(program: Any) -> None:
    # Both reach the crossing 1,000 m to the east at the same time: 25 s at 40 m/s.
    track = program.Body(0, (1000.0, 1000.0, 30.0), (0.0, -40.0, 0.0))
    assert program.closest_m((0.0, 0.0, 0.0), 90.0, track, 0) == pytest.approx(30.0)
    assert program.closest_m((0.0, 0.0, 0.0), 270.0, track, 0) == pytest.approx(1414.5, abs=0.1), "now, while parting"


def test_the_example_imports_the_sdk_alone() -> None:
    imported = set()
    for node in ast.walk(ast.parse(PROGRAM.read_text())):
        if isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").partition(".")[0])
        elif isinstance(node, ast.Import):
            imported |= {name.name.partition(".")[0] for name in node.names}
    assert imported <= ALLOWED

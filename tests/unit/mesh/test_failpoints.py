"""Failpoints: off unless set in the environment, refused if set wrongly, and triggered exactly once."""

import ast
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaos.aimed import cases
from mesh import failpoints
from mesh.failpoints import COUNT_FILE, DIRECTORY_VARIABLE, POINT_VARIABLE, POINTS, REACHED_FILE
from mesh.serving.errors import StartError

ROOT = Path(__file__).parents[3]
CODE = ("mesh", "svc_sim", "svc_radar", "svc_tracker", "svc_registrar", "adapters")
TIMEOUT_S = 30
# Passes a point five times, and reports after each that it is alive.
PROGRAM = """
import os
from mesh import failpoints
failpoints.arm(os.environ)
for number in range(1, 6):
    failpoints.reach("log.synced")
    failpoints.reach("log.write")
    print(number, flush=True)
"""


@pytest.fixture(autouse=True)
def disarmed() -> Iterator[None]:
    yield
    failpoints.arm({})


def environment(directory: Path, point: str) -> dict[str, str]:
    return {**os.environ, DIRECTORY_VARIABLE: str(directory), POINT_VARIABLE: point}


def run(directory: Path, point: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=environment(directory, point),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


@pytest.mark.parametrize(
    "point",
    ["log.nowhere@1", "log.synced", "log.synced@0", "log.synced@1=explode", "log.synced@", "log.synced@1,log.write@1"],
)
def test_a_point_that_does_not_exist_is_refused_at_the_start(tmp_path: Path, point: str) -> None:
    with pytest.raises(StartError, match="QIKI_FAILPOINT"):
        failpoints.arm(environment(tmp_path, point))


def test_a_service_with_an_unknown_point_exits_with_status_2(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-P", "-m", "svc_registrar"],
        env=environment(tmp_path, "log.nowhere@1"),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert ended.returncode == 2
    assert "there is no point 'log.nowhere'" in ended.stderr


def test_a_point_without_a_directory_to_report_in_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="DIR"):
        failpoints.arm({POINT_VARIABLE: "log.synced@1"})
    with pytest.raises(StartError, match="no such directory"):
        failpoints.arm({DIRECTORY_VARIABLE: str(tmp_path / "nowhere"), POINT_VARIABLE: "log.synced@1"})


def test_without_the_variables_failpoints_are_off() -> None:
    failpoints.arm({})
    failpoints.reach("log.synced")


def test_the_process_reports_and_dies_at_the_configured_passing(tmp_path: Path) -> None:
    (tmp_path / COUNT_FILE).touch()
    ended = run(tmp_path, "log.synced@3=kill")
    assert ended.returncode == -signal.SIGKILL
    assert ended.stdout.split() == ["1", "2"]
    assert (tmp_path / REACHED_FILE).read_text().startswith("log.synced ")


def test_no_passing_is_counted_before_counting_starts(tmp_path: Path) -> None:
    ended = run(tmp_path, "log.synced@3=kill")
    assert ended.returncode == 0
    assert not (tmp_path / REACHED_FILE).exists()


def test_a_process_that_has_struck_does_not_strike_when_it_is_started_again(tmp_path: Path) -> None:
    (tmp_path / COUNT_FILE).touch()
    assert run(tmp_path, "log.synced@1=kill").returncode == -signal.SIGKILL
    assert run(tmp_path, "log.synced@1=kill").returncode == 0


def test_a_process_stops_itself_and_can_be_killed_or_go_on(tmp_path: Path) -> None:
    (tmp_path / COUNT_FILE).touch()
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], env=environment(tmp_path, "log.synced@3"), cwd=ROOT, stdout=subprocess.PIPE
    )
    _pid, status = os.waitpid(process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    assert (tmp_path / REACHED_FILE).exists()
    process.send_signal(signal.SIGCONT)
    said, _ = process.communicate(timeout=TIMEOUT_S)
    assert said.split() == [b"1", b"2", b"3", b"4", b"5"]


def test_the_list_of_failpoints_and_the_code_have_the_same_points() -> None:
    assert sorted(set(points_in_the_code())) == sorted(POINTS)


def test_the_campaign_strikes_at_every_point_in_every_process_that_passes_it() -> None:
    assert {point for points in cases.POINTS.values() for point in points} == set(POINTS)


def points_in_the_code() -> Iterator[str]:
    for path in (path for package in CODE for path in (ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "failpoints.reach":
                assert isinstance(node.args[0], ast.Constant), f"{path}: a point's name is written out"
                yield node.args[0].value

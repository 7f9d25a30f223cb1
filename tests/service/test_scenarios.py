"""`qiki scenario`: every scenario of the catalogue runs to its end, and is the same run again, also through a kill."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from cli.runs.scenario.catalogue import catalogue

QIKI = (sys.executable, "-P", "-m", "cli")
AGENT = Path(__file__).parents[2] / "examples" / "agent" / "avoid.py"
TIMEOUT_S = 150.0
# Scenarios longer than this are played only so far: enough for tracks, and for the kill.
LONGEST_S = 40.0
# Slow enough that the process dies in the middle of the run.
KILLED_SPEED = "20"
VICTIMS = ("sim", "radar", "tracker")
WITHOUT_AGENTS = tuple(name for name in catalogue() if name != "avoid")


@dataclass(frozen=True)
class Finished:
    """A finished run: its exit status, its output, and the digest of the run, empty for none."""

    status: int
    said: str

    @property
    def digest(self) -> str:
        found = re.search(r"^digest of the run: ([0-9a-f]{64})$", self.said, re.MULTILINE)
        return found[1] if found else ""


def made(directory: Path) -> Path:
    directory.mkdir()
    return directory


async def scenario(directory: Path, *arguments: str, kill: str = "", env: dict[str, str] | None = None) -> Finished:
    """Run a scenario; kill a service once all of them serve, if one is named."""
    process = await asyncio.create_subprocess_exec(
        *(*QIKI, "scenario", "run", *arguments, "--state-dir", str(directory / "state")),
        cwd=made(directory),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, **(env or {})},
    )
    said = b""
    try:
        async with asyncio.timeout(TIMEOUT_S):
            assert process.stdout is not None
            async for line in process.stdout:
                said += line
                if kill and line.startswith(b"All are SERVING"):
                    endpoints = json.loads((directory / "state" / "endpoints.json").read_text())
                    os.kill(endpoints[kill]["pid"], signal.SIGKILL)
            await process.wait()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    return Finished(process.returncode or 0, said.decode())


def qiki(*arguments: str) -> tuple[int, str]:
    done = subprocess.run([*QIKI, *arguments], capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("name", WITHOUT_AGENTS)
@pytest.mark.asyncio
async def test_a_scenario_reaches_its_goals_and_is_the_same_again_through_a_kill(name: str, tmp_path: Path) -> None:
    shorter = ("--duration", f"{LONGEST_S:g}") if name in ("crossing", "faults") else ()
    victim = VICTIMS[WITHOUT_AGENTS.index(name) % len(VICTIMS)]
    whole, killed = await asyncio.gather(
        scenario(tmp_path / "whole", name, *shorter, "--picture", "flight.png"),
        scenario(tmp_path / "killed", name, *shorter, "--speed", KILLED_SPEED, kill=victim),
    )
    assert whole.status == 0, whole.said
    assert killed.status == 0, killed.said
    assert f"{victim} died and was started again." in killed.said
    assert whole.digest
    assert whole.digest == killed.digest
    assert (tmp_path / "whole" / "flight.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.asyncio
async def test_an_agent_reaches_its_goals_and_a_slow_one_makes_the_same_run(tmp_path: Path) -> None:
    fast, slow = await asyncio.gather(
        scenario(tmp_path / "fast", "avoid", "--agent", str(AGENT), "--picture", "avoid.png"),
        scenario(
            tmp_path / "slow", "avoid", "--agent", f"pilot={AGENT}", kill="sim", env={"QIKI_AGENT_SLEEP_S": "0.1"}
        ),
    )
    assert fast.status == 0, fast.said
    assert slow.status == 0, slow.said
    assert "sim died and was started again." in slow.said
    assert fast.said.count("  pass  ") == 2
    assert fast.digest
    assert fast.digest == slow.digest


@pytest.mark.asyncio
async def test_a_run_whose_agent_takes_too_long_ends_as_failed(tmp_path: Path) -> None:
    text = catalogue()["avoid"].read_text().replace("limit_s: 60.0", "limit_s: 1.0")
    (tmp_path / "avoid.yaml").write_text(text)
    arguments = (str(tmp_path / "avoid.yaml"), "--agent", str(AGENT))
    failed = await scenario(tmp_path / "run", *arguments, env={"QIKI_AGENT_SLEEP_S": "30"})
    assert failed.status == 1
    assert "the run has failed at tick 0: agent pilot has not completed the step at tick 0 within 1 s" in failed.said
    assert not failed.digest


def test_a_failed_goal_fails_the_run(tmp_path: Path) -> None:
    text = catalogue()["manoeuvring"].read_text().replace("duration_s: 40.0", "duration_s: 5.0")
    goals = text.index("goals:")
    (tmp_path / "hard.yaml").write_text(f"{text[:goals]}goals:\n  - {{kind: keep_clear, distance_m: 90000.0}}\n")
    done = asyncio.run(scenario(tmp_path / "run", str(tmp_path / "hard.yaml")))
    assert done.status == 1
    assert re.search(r"  FAIL  keep clear of all contacts by 90000 m +nearest: \d+ m to ", done.said)
    assert "1 of 1 goals were not reached." in done.said
    assert done.digest, "it is reported all the same"


def test_the_catalogue_is_listed_and_valid() -> None:
    status, said = qiki("scenario", "list")
    assert status == 0
    assert {line.split()[0] for line in said.splitlines()[1:]} == set(catalogue())
    assert len(catalogue()) >= 8
    status, said = qiki("scenario", "validate")
    assert status == 0, said
    assert said.count(": can be used, sha256 ") == len(catalogue())


def test_every_problem_of_a_scenario_is_reported_with_its_line(tmp_path: Path) -> None:
    text = catalogue()["avoid"].read_text()
    text = text.replace("step_s: 1.0", "step_s: 0.12").replace("kind: reach", "kind: alarm, rule: none")
    path = tmp_path / "broken.yaml"
    path.write_text(text.replace(", position_m: [2400.0, 0.0, 1000.0], radius_m: 150.0", ""))
    line = 1 + next(number for number, each in enumerate(text.splitlines()) if "step_s" in each)
    status, said = qiki("scenario", "validate", str(path))
    assert status == 1
    assert f"{path}:{line}: lock_step.step_s: " in said
    path.write_text(path.read_text().replace("step_s: 0.12", "step_s: 1.0"))
    status, said = qiki("scenario", "validate", str(path))
    assert status == 1
    assert f"{path}:{line - 5}: goals[0].rule: the BotSpec has no guard rule 'none'" in said


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("nothing",), "there is no scenario 'nothing' in the catalogue (there are: avoid, "),
        (("avoid",), "avoid waits for pilot: give a program for each of its agents, once: --agent pilot=FILE"),
        (("avoid", "--agent", "other=x.py"), "--agent other=x.py: give a program"),
        (("avoid", "--agent", "x.py"), "--agent x.py: there is no file x.py"),
        (("crossing", "--agent", str(AGENT)), "crossing has no agents"),
        (("crossing", "--duration", "500"), "holds no more than 120 s"),
        (("crossing", "--picture", "x.jpg"), "the name should end in .png"),
    ],
)
def test_a_run_asked_for_wrongly_starts_nothing(arguments: tuple[str, ...], reason: str) -> None:
    status, said = qiki("scenario", "run", *arguments)
    assert status == 2, said
    assert reason in said

"""The agents of a run: one Python program each, started beside the mesh, and ended with the run."""

import asyncio
import json
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from cli.errors import CliError, UsageError
from cli.local_mesh.mesh import Mesh
from cli.local_mesh.processes import LOG_DIR, grpc_target
from cli.local_mesh.supervision.child import ChildSpec, log_tail
from cli.local_mesh.supervision.process import ParentPipe, kill_group, spawn, terminate
from mesh.tasks import cleanup, task_group
from svc_sim.domain.scenario.scenario import Scenario

# Time for an agent to end by itself after the run or after SIGTERM; then it is killed.
STOP_LIMIT_S: Final = 5.0
SERVICES: Final = ("sim", "radar", "tracker", "registrar", "archive")


def parse_agents(options: Sequence[str], scenario: Scenario) -> dict[str, Path]:
    """Return the program of each agent that the scenario names, from FILE or NAME=FILE.

    Raises UsageError where one is missing, is one too many, or is no file.
    """
    wanted = scenario.lock_step.agents if scenario.lock_step is not None else ()
    found: dict[str, Path] = {}
    for option in options:
        name, equals, file = option.partition("=")
        if not equals:
            name, file = wanted[0] if len(wanted) == 1 else "", option
        if name not in wanted or name in found:
            raise UsageError(f"--agent {option}: {_advice(scenario, wanted)}")
        if not Path(file).is_file():
            raise UsageError(f"--agent {option}: there is no file {file}.")
        found[name] = Path(file).absolute()
    if missing := [name for name in wanted if name not in found]:
        raise UsageError(f"{scenario.name} waits for {', '.join(missing)}: {_advice(scenario, wanted)}")
    return found


def _advice(scenario: Scenario, wanted: Sequence[str]) -> str:
    if not wanted:
        return f"{scenario.name} has no agents; a scenario names those that it waits for in lock_step.agents."
    each = " ".join(f"--agent {name}=FILE" for name in wanted)
    return f"give a program for each of its agents, once: {each}"


@asynccontextmanager
async def running_agents(agents: Mapping[str, Path], scenario: Scenario, mesh: Mesh) -> AsyncIterator[None]:
    """Run the agents for the time of the block.

    Raises CliError, also from within the block, where one of them ends with an error.
    """
    with ParentPipe() as pipe:
        async with task_group(CliError) as tasks:
            processes = {name: await spawn(_spec(name, file, scenario, mesh), pipe) for name, file in agents.items()}
            watches = [
                tasks.create_task(_watch(name, process, _log_path(name, mesh))) for name, process in processes.items()
            ]
            try:
                yield
            finally:
                for watch in watches:
                    watch.cancel()
                await cleanup(_end(list(processes.values())), timeout_s=3 * STOP_LIMIT_S)


def _spec(name: str, file: Path, scenario: Scenario, mesh: Mesh) -> ChildSpec:
    targets = {f"QIKI_{service.upper()}_TARGET": grpc_target(service, mesh.ports) for service in SERVICES}
    task = json.dumps(scenario.model_dump(mode="json", include={"name", "goals"}))
    return ChildSpec(
        name=name,
        argv=(sys.executable, str(file)),
        env={**targets, "QIKI_AGENT_NAME": name, "QIKI_AGENT_TASK": task, "PYTHONUNBUFFERED": "1"},
        log_path=_log_path(name, mesh),
        ready=_ready_at_once,
    )


async def _ready_at_once(_say: Callable[[str], None]) -> None:
    """An agent is ready when it takes its first turn: the world waits for that."""


def _log_path(name: str, mesh: Mesh) -> Path:
    return mesh.state_dir / LOG_DIR / f"agent-{name}.log"


async def _watch(name: str, process: Process, log_path: Path) -> None:
    status = await process.wait()
    if status != 0:
        lines = "\n".join(f"    {line}" for line in log_tail(log_path))
        raise CliError(f"the agent {name} ended with status {status}:\n{lines}")


async def _end(processes: Sequence[Process]) -> None:
    """Let the agents end by themselves: the run is over; then terminate them, then kill them."""
    for end in (None, terminate, kill_group):
        for process in processes:
            if end is not None and process.returncode is None:
                end(process)
        try:
            async with asyncio.timeout(STOP_LIMIT_S):
                for process in processes:
                    await process.wait()
        except TimeoutError:
            continue
        return

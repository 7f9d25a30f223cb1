"""A mesh whose processes can be started again with other failpoints, and whose bridge can be slowed down."""

import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from botspec.derived.runtime import write as write_runtime
from botspec.model import load_bot_spec
from chain import RUN_ID, START_TIME
from chaos.aimed.cases import Case, Retention
from chaos.arena import AT_ONCE, BOT_SPEC, SEED, Arena
from chaos.proxy import HOST, Link
from cli.local_mesh.jetstream import declared_bytes, init_topology
from cli.local_mesh.mesh import Mesh
from cli.local_mesh.nats_config import CONFIG_FILE, write_nats_config
from cli.local_mesh.options import MeshOptions
from cli.local_mesh.ports import choose_ports
from cli.local_mesh.processes import LOG_DIR, RUNTIME_DIR, nats_spec, nats_url, service_specs
from cli.local_mesh.storage.disk_space import RESERVED_SHARE
from cli.local_mesh.storage.storage_watch import StorageWatch
from cli.local_mesh.supervision.child import ChildState
from cli.local_mesh.supervision.supervisor import Supervisor
from mesh.failpoints import COUNT_FILE, DIRECTORY_VARIABLE, POINT_VARIABLE, REACHED_FILE
from qiki.sim.v1.sim_service_pb2 import (
    ResumeSimulationRequest,
    SetSimulationSpeedRequest,
    StepSimulationRequest,
)
from qiki.sim.v1.sim_service_pb2_grpc import SimServiceStub
from qiki_sdk.channel import connect

# In simulation time. So often, that several checkpoints fit into half of the small retention, beyond which the tracker
# waits for a stopped bridge; and seldom enough that the first one comes after the prelude.
CHECKPOINT_PERIOD_S = "1"
RETENTION_S = {Retention.NORMAL: "120", Retention.SMALL: "12"}
# Of a tick each: long enough for a first frame and its tracks, too short for a checkpoint.
PRELUDE_TICKS = 16
LINK = "bridge-nats"
# Of the streams: a tenth holds ten times what a run leaves.
SIZE_FACTOR = 0.1
CALL_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Trap:
    """A failpoint that a process was started with; nothing is counted before `begin`."""

    directory: Path

    def begin(self) -> None:
        """Let the process count from now on."""
        (self.directory / COUNT_FILE).touch()

    @property
    def has_struck(self) -> bool:
        """Whether the process has reached the point, and recorded that on the disk."""
        return (self.directory / REACHED_FILE).exists()


@dataclass(slots=True)
class Stage:
    """An arena, and the environments with which its processes are started next."""

    arena: Arena
    environments: Mapping[str, dict[str, str]]
    _supervisor: Supervisor
    _traps: Path
    _set: int = field(default=0)

    def set_trap(self, case: Case) -> Trap:
        """Set the failpoint of the struck process, from its next start on.

        If it dies alone, it kills itself at the point; if others die too, it stops there until all are killed.
        """
        self._set += 1
        directory = self._traps / f"{self._set:03}-{case.process}"
        directory.mkdir(parents=True)
        action = "kill" if len(case.killed) == 1 else "stop"
        self.environments[case.process] |= {
            DIRECTORY_VARIABLE: str(directory),
            POINT_VARIABLE: f"{case.point}@{case.passing}={action}",
        }
        return Trap(directory)

    def signal(self, process: str, number: signal.Signals) -> None:
        """Send a signal to a process that is alive."""
        pid = self.arena.pid(process)
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def pids(self) -> Mapping[str, int]:
        """Return the ids of the ready processes."""
        ready = {name for name, state in self._supervisor.states().items() if state is ChildState.READY}
        return {name: pid for name, pid in self._supervisor.pids().items() if name in ready}

    async def prelude(self) -> None:
        """Step a paused simulation through its first ticks."""
        async with connect(f"{HOST}:{self.arena.mesh.ports['sim']}") as channel:
            request = StepSimulationRequest(ticks=PRELUDE_TICKS)
            await SimServiceStub(channel).StepSimulation(request, timeout=CALL_TIMEOUT_S)

    async def go(self, speed: str) -> None:
        """Set the simulation speed, now and after every start of the simulator."""
        self.environments["sim"] |= {"QIKI_SIM_SPEED": speed, "QIKI_SIM_PAUSED": "false"}
        request = SetSimulationSpeedRequest(as_fast_as_possible=True)
        if speed != "max":
            request = SetSimulationSpeedRequest(factor=float(speed))
        async with connect(f"{HOST}:{self.arena.mesh.ports['sim']}") as channel:
            sim = SimServiceStub(channel)
            await sim.SetSimulationSpeed(request, timeout=CALL_TIMEOUT_S)
            await sim.ResumeSimulation(ResumeSimulationRequest(), timeout=CALL_TIMEOUT_S)


@asynccontextmanager
async def stage(
    directory: Path, scenario: Path, retention: Retention, set_traps: Callable[[Stage], None]
) -> AsyncIterator[Stage]:
    """Run the chain without the archive, paused at its first tick; `set_traps` may arm what is started first."""
    ports, state_dir = choose_ports({}, free=True), (directory / "state").absolute()
    (state_dir / LOG_DIR).mkdir(parents=True)
    async with Link(LINK, ports["nats"]) as link, Supervisor(lambda _event: None, policy=AT_ONCE) as supervisor:
        options = _options(scenario, retention, link)
        specs = [
            replace(spec, env=dict(spec.env))
            for spec in service_specs(options, ports, state_dir)
            if spec.name != "archive"
        ]
        storage = StorageWatch(ports["nats-monitor"], state_dir, lambda _line: None)
        # The supervisor reads a child's environment at each of its starts.
        environments = {spec.name: spec.env for spec in specs}
        found = Stage(
            Arena(Mesh(ports, state_dir, supervisor, storage), {LINK: link}),
            environments,
            supervisor,
            directory / "traps",
        )
        set_traps(found)
        loaded = load_bot_spec(options.bot_spec)
        write_runtime(loaded, state_dir / RUNTIME_DIR)
        write_nats_config(
            state_dir, options.nats_sync_interval, int(declared_bytes(loaded.spec) * SIZE_FACTOR / RESERVED_SHARE)
        )
        await supervisor.start(nats_spec(ports, state_dir, state_dir / CONFIG_FILE))
        await init_topology(nats_url(ports), loaded.spec, SIZE_FACTOR)
        await supervisor.start(*specs)
        yield found


def _options(scenario: Path, retention: Retention, link: Link) -> MeshOptions:
    kept = [(service, "RETENTION_S", RETENTION_S[retention]) for service in ("sim", "radar", "tracker")]
    return MeshOptions(
        scenario=scenario,
        bot_spec=BOT_SPEC,
        speed="1",
        flow_control="lossless",
        run_id=RUN_ID,
        start_time=START_TIME,
        seed=SEED,
        settings=(
            ("sim", "PAUSED", "true"),
            ("sim", "CHECKPOINT_PERIOD_S", CHECKPOINT_PERIOD_S),
            ("tracker", "CHECKPOINT_PERIOD_S", CHECKPOINT_PERIOD_S),
            ("bridge", "NATS_URL", f"nats://{HOST}:{link.port}"),
            *kept,
        ),
    )

"""A whole mesh on this machine for the duration of an `async with` block."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from botspec.derived.runtime import write as write_runtime
from botspec.model import BotSpec
from cli.errors import CliError, JetStreamUnavailableError, StalledError, UsageError
from cli.local_mesh.files import load_bot
from cli.local_mesh.jetstream import declared_bytes, init_topology
from cli.local_mesh.nats_config import CONFIG_FILE, write_nats_config
from cli.local_mesh.options import SERVICES, MeshOptions
from cli.local_mesh.probe import ServiceStatus, read_status
from cli.local_mesh.processes import (
    RUNTIME_DIR,
    collector_specs,
    endpoints,
    grpc_target,
    nats_spec,
    nats_url,
    service_specs,
    spool_dir,
)
from cli.local_mesh.storage.disk_space import RESERVED_SHARE, has_room, stream_size_factor
from cli.local_mesh.storage.new_run import check_new_run_id, set_run_aside
from cli.local_mesh.storage.state import remove_endpoints, state_directory, until_unused, write_endpoints
from cli.local_mesh.storage.storage_watch import StorageWatch
from cli.local_mesh.supervision.child import ChildEvent, ChildState, RestartPolicy
from cli.local_mesh.supervision.supervisor import Supervisor
from mesh.tasks import task_group
from qiki_sdk.audit import AuditReporter
from qiki_sdk.codes import PROCESS_DIED
from qiki_sdk.spool.files import SpoolInUseError

TOPOLOGY_RETRY_S = 0.5
REPORTER = "qiki_up"


@dataclass(frozen=True, slots=True)
class Mesh:
    """A running mesh: its addresses, its state directory, its status."""

    ports: Mapping[str, int]
    state_dir: Path
    _supervisor: Supervisor
    _storage: StorageWatch
    _services: tuple[str, ...] = SERVICES

    def endpoints(self) -> dict[str, dict[str, str | int]]:
        """Return the addresses of all servers, by name."""
        return endpoints(self.ports, self._supervisor.pids())

    async def statuses(self) -> list[ServiceStatus]:
        """Return the status of NATS and of every service, in that order."""
        states = self._supervisor.states()
        services = await asyncio.gather(*(self._status(service, states[service]) for service in self._services))
        return [self._nats_status(states["nats"]), *services]

    def _nats_status(self, state: ChildState) -> ServiceStatus:
        if state is ChildState.READY and self._storage.problem:
            return ServiceStatus("nats", "NOT_SERVING", self._storage.problem)
        return ServiceStatus("nats", *_status_of(state))

    async def _status(self, service: str, state: ChildState) -> ServiceStatus:
        if state in (ChildState.WAITING, ChildState.FAILED):
            return ServiceStatus(service, *_status_of(state))
        return await read_status(service, self.ports[f"{service}-http"])


class _Reporter:
    """Reports process events, deaths also to the audit trail; once the mesh is up, updates the file of endpoints."""

    def __init__(self, say: Callable[[str], None], processes: int, audit: AuditReporter) -> None:
        self._say = say
        self._audit = audit
        self._processes = processes
        self._ready: set[str] = set()
        self.mesh: Mesh | None = None

    def __call__(self, event: ChildEvent) -> None:
        text = event.describe()
        if event.died:
            self._audit.report(PROCESS_DIED, f"{event.name} {event.died}", process=event.name)
        if self.mesh is not None:  # first, so that a reader of the line finds the matching file
            try:
                write_endpoints(self.mesh.state_dir, self.mesh.endpoints())
            except OSError as error:  # a full disk must not end a mesh that still runs
                self._say(f"{error.filename} could not be written: {error.strerror}")
        elif event.state is ChildState.READY:
            self._ready.add(event.name)
            text += f"; {len(self._ready)} of {self._processes} are ready"
        else:
            self._ready.discard(event.name)
        self._say(text)


@asynccontextmanager
async def open_mesh(
    options: MeshOptions,
    ports: Mapping[str, int],
    say: Callable[[str], None],
    end_now: asyncio.Event | None = None,
    policy: RestartPolicy | None = None,
    *,
    start_limit_s: float | None = None,
) -> AsyncIterator[Mesh]:
    """Start NATS, its streams and the services; yield the mesh once all are SERVING; finally end all of them.

    `say` receives a sentence for each process event. Setting `end_now` kills the remaining processes. Dead processes
    are restarted according to `policy`, also during the start, which takes `start_limit_s` seconds at most.
    Raises UsageError where nothing could be started, StalledError where the start takes too long, and ChildFailedError,
    also from within the block, where a process cannot run as configured.
    """
    audit = AuditReporter(grpc_target("registrar", ports), REPORTER)
    report = _Reporter(say, 1 + len(options.services), audit)  # NATS too
    with state_directory(options.state_dir, say) as state_dir:
        await until_unused(state_dir)
        spec, size_factor = _prepare(options, state_dir, say)
        _keep_audit_events(audit, state_dir)
        storage = StorageWatch(ports["nats-monitor"], state_dir, say)
        try:
            async with (
                Supervisor(report, end_now, policy, excuse=lambda: not has_room(state_dir)) as supervisor,
                task_group(Exception) as tasks,
            ):
                mesh = Mesh(ports, state_dir, supervisor, storage, options.services)
                watch = tasks.create_task(storage.run(lambda why: supervisor.renew("nats", why)))
                reporting = tasks.create_task(audit.run())
                async with _limited(start_limit_s, supervisor):
                    await _start(mesh, supervisor, options, spec, size_factor, say=say)
                write_endpoints(state_dir, mesh.endpoints())
                report.mesh = mesh
                yield mesh
                watch.cancel()
                reporting.cancel()
        finally:
            remove_endpoints(state_dir)


def _keep_audit_events(audit: AuditReporter, state_dir: Path) -> None:
    directory = spool_dir("up", state_dir)
    try:
        audit.keep_in(directory)
    except (OSError, SpoolInUseError) as error:
        raise UsageError(f"The directory {directory} cannot be used: {error}.") from error


def _prepare(options: MeshOptions, state_dir: Path, say: Callable[[str], None]) -> tuple[BotSpec, float]:
    """Prepare the state directory for the mesh; return the BotSpec and the scale factor of the streams.

    Raises UsageError where a new run cannot begin, or the BotSpec cannot be used.
    """
    if options.new_run:
        check_new_run_id(state_dir, options.run_id)
        if kept := set_run_aside(state_dir):
            say(f"A new run begins; the run before is kept in {kept}.")
    loaded = load_bot(options.bot_spec)
    write_runtime(loaded, state_dir / RUNTIME_DIR)
    reserved = declared_bytes(loaded.spec)
    size_factor = stream_size_factor(state_dir, reserved)
    if size_factor < 1:
        say(
            f"The JetStream streams are scaled to the disk: size factor {size_factor:g}, as in "
            f"`qiki nats check --size-factor {size_factor:g}`."
        )
    # The limit leaves as much again for the streams of others as is left free for other files.
    write_nats_config(state_dir, options.nats_sync_interval, int(reserved * size_factor / RESERVED_SHARE))
    return loaded.spec, size_factor


async def _start(
    mesh: Mesh,
    supervisor: Supervisor,
    options: MeshOptions,
    spec: BotSpec,
    size_factor: float,
    *,
    say: Callable[[str], None],
) -> None:
    """Start all processes in order; return once each has been ready."""
    collectors = collector_specs(options, mesh.ports, mesh.state_dir)
    await supervisor.start(*collectors, nats_spec(mesh.ports, mesh.state_dir, mesh.state_dir / CONFIG_FILE))
    await _init_topology(mesh, spec, size_factor, say)
    await supervisor.start(*service_specs(options, mesh.ports, mesh.state_dir))


@asynccontextmanager
async def _limited(limit_s: float | None, supervisor: Supervisor) -> AsyncIterator[None]:
    """Bound the start. Raises StalledError with the names of unready processes where it takes longer."""
    try:
        async with asyncio.timeout(limit_s):
            yield
    except TimeoutError:
        waiting = [f"{name} ({state})" for name, state in supervisor.states().items() if state != ChildState.READY]
        raise StalledError(
            f"the mesh was not ready within {limit_s:g} s; not ready: {', '.join(waiting) or 'the JetStream streams'}"
        ) from None


async def _init_topology(mesh: Mesh, spec: BotSpec, size_factor: float, say: Callable[[str], None]) -> None:
    """Create the streams, retrying while JetStream gives no answer: nats-server may be restarting.

    Raises CliError where JetStream refuses.
    """
    said = ""
    while True:  # until a signal, or the limit of the start
        try:
            await init_topology(nats_url(mesh.ports), spec, size_factor)
        except JetStreamUnavailableError as error:
            if said != (said := str(error)):
                say(f"nats: the JetStream streams cannot be made yet: {said}; trying again")
            await asyncio.sleep(TOPOLOGY_RETRY_S)
        except CliError as error:
            raise CliError(
                f"the JetStream streams could not be made: {error}.\n"
                f"They are in {mesh.state_dir / 'nats'}; --state-dir DIR names another place, as on a larger disk."
            ) from None
        else:
            return


def _status_of(state: ChildState) -> tuple[str, str]:
    """Return status and detail of a process that does not, or cannot now, report its own status."""
    texts = {
        ChildState.STARTING: ("NOT_SERVING", "starting"),
        ChildState.READY: ("SERVING", ""),
        ChildState.WAITING: ("NOT_SERVING", "it died and is started again soon"),
        ChildState.STOPPING: ("NOT_SERVING", "stopping"),
        ChildState.STOPPED: ("NOT_SERVING", "stopped"),
        ChildState.FAILED: ("NOT_SERVING", "it cannot be used as it is configured, and is not restarted"),
    }
    return texts[state]

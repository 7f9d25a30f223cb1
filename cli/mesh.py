"""A whole mesh on this machine for as long as an `async with` block lasts."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from cli.child import ChildEvent, ChildState, RestartPolicy
from cli.errors import CliError
from cli.jetstream import init_topology
from cli.layout import endpoints, nats_spec, nats_url, service_specs
from cli.nats_config import write_nats_config
from cli.options import SERVICES, MeshOptions
from cli.probe import ServiceStatus, read_status
from cli.state_dir import remove_endpoints, state_directory, write_endpoints
from cli.supervisor import Supervisor


@dataclass(frozen=True, slots=True)
class Mesh:
    """A mesh whose services are all SERVING: where it listens, where its state is, how it is."""

    ports: Mapping[str, int]
    state_dir: Path
    _supervisor: Supervisor

    def endpoints(self) -> dict[str, dict[str, str | int]]:
        """Return where everything listens, by name."""
        return endpoints(self.ports, self._supervisor.pids())

    async def statuses(self) -> list[ServiceStatus]:
        """Return how NATS and every service are, in that order."""
        states = self._supervisor.states()
        nats = ServiceStatus("nats", *_status_of(states["nats"]))
        services = await asyncio.gather(*(self._status(service, states[service]) for service in SERVICES))
        return [nats, *services]

    async def _status(self, service: str, state: ChildState) -> ServiceStatus:
        if state in (ChildState.WAITING, ChildState.FAILED):
            return ServiceStatus(service, *_status_of(state))
        return await read_status(service, self.ports[f"{service}-http"])


@asynccontextmanager
async def open_mesh(
    options: MeshOptions,
    ports: Mapping[str, int],
    say: Callable[[str], None],
    end_now: asyncio.Event | None = None,
    policy: RestartPolicy | None = None,
) -> AsyncIterator[Mesh]:
    """Start NATS, its streams and the services; give the mesh once all are SERVING; end all of them afterwards.

    `say` is given a sentence for whatever happens to a process. Setting `end_now` kills what still runs. What dies is
    started again as `policy` says.
    Raises UsageError where nothing could be started, ChildNotReadyError, or ChildFailedError from within the block.
    """

    def report(event: ChildEvent) -> None:
        if opened:  # first, so that whoever reads the line finds the file in step with it
            try:
                write_endpoints(opened[0].state_dir, opened[0].endpoints())
            except OSError as error:  # a full disk must not end a mesh that still runs
                say(f"{error.filename} could not be written: {error.strerror}")
        say(event.describe())

    opened: list[Mesh] = []
    with state_directory(options.state_dir, say) as state_dir:
        config = write_nats_config(state_dir, options.nats_sync_interval)
        try:
            async with Supervisor(report, end_now, policy) as supervisor:
                await supervisor.start(nats_spec(ports, state_dir, config))
                await _init_topology(ports, state_dir)
                await supervisor.start(*service_specs(options, ports, state_dir))
                mesh = Mesh(ports, state_dir, supervisor)
                write_endpoints(state_dir, mesh.endpoints())
                opened.append(mesh)
                yield mesh
        finally:
            remove_endpoints(state_dir)


async def _init_topology(ports: Mapping[str, int], state_dir: Path) -> None:
    try:
        await init_topology(nats_url(ports))
    except CliError as error:
        raise CliError(
            f"the JetStream streams could not be made: {error}.\n"
            f"They are in {state_dir / 'nats'}; --state-dir DIR names another place, such as one on a larger disk."
        ) from None


def _status_of(state: ChildState) -> tuple[str, str]:
    """Return status and detail of a process that does not, or cannot now, speak for itself."""
    texts = {
        ChildState.STARTING: ("NOT_SERVING", "starting"),
        ChildState.READY: ("SERVING", ""),
        ChildState.WAITING: ("NOT_SERVING", "it died and is started again soon"),
        ChildState.STOPPING: ("NOT_SERVING", "stopping"),
        ChildState.STOPPED: ("NOT_SERVING", "stopped"),
        ChildState.FAILED: ("NOT_SERVING", "it died too often and is not started again"),
    }
    return texts[state]

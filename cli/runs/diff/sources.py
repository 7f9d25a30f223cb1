"""Archived runs by their name on the command line: a state directory, or the address of a NATS server."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cli.errors import CliError
from cli.local_mesh.nats_config import CONFIG_FILE
from cli.local_mesh.options import check_run_id
from cli.local_mesh.ports import choose_ports
from cli.local_mesh.processes import nats_spec, nats_url
from cli.local_mesh.storage.state import state_directory, until_unused
from cli.local_mesh.supervision.supervisor import Supervisor

URL_PREFIX: Final = "nats://"
# A server reads its whole store before it is ready.
START_LIMIT_S: Final = 120.0


class CannotCompareError(CliError):
    """The runs cannot be compared: one is missing, or cannot be read."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class RunName:
    """A run's name: `place` is a state directory or a NATS address, `run_id` is empty for the newest run there."""

    text: str
    place: str
    run_id: str

    @property
    def directory(self) -> Path | None:
        """The state directory; None for an address."""
        return None if self.place.startswith(URL_PREFIX) else Path(self.place).absolute()


def parse_run(text: str) -> RunName:
    """Parse `DIR`, `nats://HOST:PORT`, or either followed by `#RUN_ID`.

    Raises UsageError for a run id that is no UUID, and CannotCompareError for a directory without a store.
    """
    place, _, run_id = text.partition("#")
    name = RunName(text, place, check_run_id(run_id) or "" if run_id else "")
    directory = name.directory
    if directory is not None and not (directory / "nats").is_dir():
        raise CannotCompareError(
            f"{place} is no state directory of a mesh: it has no `nats` in it. "
            "Give one that `--state-dir` has made, or the address of a NATS server, such as nats://127.0.0.1:4222."
        )
    return name


@asynccontextmanager
async def servers_of(names: Iterable[RunName]) -> AsyncIterator[dict[str, str]]:
    """Yield the NATS address of every place; a state directory is served by a nats-server for the time of the block.

    Raises UsageError where another mesh uses a directory, and CannotCompareError where its store cannot be served.
    """
    addresses: dict[str, str] = {}
    async with AsyncExitStack() as stack:
        for name in names:
            if name.place not in addresses:
                directory = name.directory
                addresses[name.place] = (
                    name.place if directory is None else await stack.enter_async_context(_served(directory))
                )
        yield addresses


@asynccontextmanager
async def _served(directory: Path) -> AsyncIterator[str]:
    ports = choose_ports({}, free=True)
    config = directory / CONFIG_FILE
    with state_directory(directory, lambda _text: None):
        await until_unused(directory)
        async with Supervisor(lambda _event: None) as supervisor:
            try:
                async with asyncio.timeout(START_LIMIT_S):
                    await supervisor.start(nats_spec(ports, directory, config if config.is_file() else None))
            except TimeoutError:
                raise CannotCompareError(
                    f"nats-server did not serve the store in {directory} within {START_LIMIT_S:g} s; "
                    f"its log is {directory / 'logs' / 'nats.log'}"
                ) from None
            yield nats_url(ports)

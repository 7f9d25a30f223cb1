"""Processes of a measurement: a broker, and the carrier under test."""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import nats
from nats.js import JetStreamContext

from adapters.jetstream.topology.streams import init, wanted_streams
from botspec.example import example_bot_spec
from botspec.model import load_bot_spec
from cli.local_mesh.nats_config import write_nats_config
from frame_source import SUBJECT
from nats_server import NatsServer

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@asynccontextmanager
async def broker(directory: Path, sync_interval: str) -> AsyncIterator[tuple[str, JetStreamContext]]:
    """Run a nats-server with the mesh's streams, sized for a measurement."""
    async with NatsServer(directory, "--config", str(write_nats_config(directory.parent, sync_interval))) as server:
        client = await nats.connect(server.url)
        try:
            await init(client, wanted_streams(load_bot_spec(example_bot_spec()).spec, 2.0))
            yield server.url, client.jetstream()
        finally:
            await client.close()


def bare_loop_argv(source: str, nats_url: str) -> tuple[str, ...]:
    """Return the command line of the bare loop."""
    return (sys.executable, "-m", "bench.bare_loop", source, nats_url, SUBJECT)


def cpu_s(pid: int) -> float:
    """Return the processor time used by a process, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S

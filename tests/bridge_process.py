"""A real bridge, or another program that carries, as a process of its own for as long as a block lasts."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from declared import runtime_file

STOP_TIMEOUT_S = 5.0
MAX_LINE_BYTES = 16 * 1024 * 1024
BRIDGE = (sys.executable, "-m", "adapters.jetstream")


@asynccontextmanager
async def process(*argv: str, log: Path, env: dict[str, str] | None = None) -> AsyncIterator[Process]:
    """Run a program for as long as the block lasts; its errors are appended to `log`."""
    with log.open("ab") as output:
        started = await asyncio.create_subprocess_exec(
            *argv, stdin=PIPE, stdout=PIPE, stderr=output, env={**os.environ, **(env or {})}, limit=MAX_LINE_BYTES
        )
    try:
        yield started
    finally:
        if started.returncode is None:
            started.send_signal(signal.SIGCONT)  # a stopped process receives no other signal
            started.terminate()
        try:
            await asyncio.wait_for(started.wait(), STOP_TIMEOUT_S)
        except TimeoutError:
            started.kill()
            await started.wait()


def bridge_environment(directory: Path, source: str, nats_url: str) -> dict[str, str]:
    """Return the environment of a bridge with the one channel of frames, from `source` (host:port)."""
    return {
        "QIKI_BRIDGE_RUNTIME": str(runtime_file(directory, "bridge", ["frames"], {"frames": ("bridge",)})),
        "QIKI_BRIDGE_GRPC_PORT": "0",
        "QIKI_BRIDGE_HTTP_PORT": "0",
        "QIKI_BRIDGE_NATS_URL": nats_url,
        "QIKI_BRIDGE_RADAR_TARGET": source,
        "QIKI_BRIDGE_REGISTRAR_TARGET": "",
    }

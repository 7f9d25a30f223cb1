"""The end of a bridge: in time even if other processes are stopped, and with its supervisor's death."""

import asyncio
import json
import os
import select
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import nats
import pytest

from adapters.jetstream.topology.streams import init
from bridge_process import BRIDGE, bridge_environment, process
from declared import wanted_streams
from frame_source import FrameSource, served
from mesh.feeds.ring import Retention
from nats_server import NatsServer

pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.skipif(sys.platform != "linux", reason="the end of another's child can be waited for on Linux alone"),
]
TIMEOUT_S = 30.0
# Starts a bridge as a supervisor does, prints its process id, and waits.
PARENT = """
import subprocess, sys
child = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE)
print(child.pid, flush=True)
child.wait()
"""


@dataclass(frozen=True)
class Rig:
    """A source, a broker, and a parent process whose child is a bridge that carries."""

    source: FrameSource
    server: NatsServer
    parent: asyncio.subprocess.Process
    bridge_pid: int

    async def bridge_gone(self) -> None:
        """Return once the bridge has ended."""
        ended = os.pidfd_open(self.bridge_pid)
        try:
            poll = select.poll()
            poll.register(ended, select.POLLIN)
            assert await asyncio.to_thread(poll.poll, TIMEOUT_S * 1000), "the bridge is still there"
        finally:
            os.close(ended)


@asynccontextmanager
async def rig(directory: Path) -> AsyncIterator[Rig]:
    source = FrameSource(Retention(10**18, 64 * 1024**2))
    source.feed.replayed()
    source.gate.set()
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(NatsServer(directory / "nats"))
        client = await nats.connect(server.url)
        await init(client, wanted_streams(0.1))
        await client.close()
        port = await stack.enter_async_context(served(source))
        environment: Mapping[str, str] = bridge_environment(directory, f"127.0.0.1:{port}", server.url)
        parent = await stack.enter_async_context(
            process(
                *(sys.executable, "-c", PARENT, *BRIDGE),
                log=directory / "bridge.log",
                env={**environment, "QIKI_EXIT_WITH_PARENT": "1"},
            )
        )
        assert parent.stdout is not None
        bridge_pid = int(await parent.stdout.readline())
        stack.callback(kill, bridge_pid)
        source.append(200)
        async with asyncio.timeout(TIMEOUT_S):
            while source.feed.readers.confirmed["bridge"] < 1:
                await source.feed.change.wait(1.0)
        yield Rig(source, server, parent, bridge_pid)


def kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


@pytest.mark.parametrize("frozen", [False, True], ids=["", "nats_frozen"])
async def test_a_bridge_whose_supervisor_is_killed_ends(tmp_path: Path, frozen: bool) -> None:
    async with rig(tmp_path) as running:
        if frozen:
            running.server.freeze()
            running.source.append(200)
        running.parent.kill()
        await running.bridge_gone()


@pytest.mark.parametrize("frozen", [False, True], ids=["", "nats_frozen"])
async def test_a_bridge_stopped_while_its_supervisor_was_killed_ends_once_it_continues(
    tmp_path: Path, frozen: bool
) -> None:
    async with rig(tmp_path) as running:
        if frozen:
            running.server.freeze()
            running.source.append(200)
        os.kill(running.bridge_pid, signal.SIGSTOP)
        running.parent.kill()
        os.kill(running.bridge_pid, signal.SIGCONT)
        await running.bridge_gone()


async def test_a_signal_ends_a_bridge_in_order_although_nats_is_stopped(tmp_path: Path) -> None:
    async with rig(tmp_path) as running:
        running.server.freeze()
        running.source.append(200)
        os.kill(running.bridge_pid, signal.SIGTERM)
        await running.bridge_gone()
    lines = (tmp_path / "bridge.log").read_text().splitlines()
    events = [json.loads(line)["event"] for line in lines if line.startswith("{")]
    assert "stopped" in events
    assert not [event for event in events if "did not end in time" in event]

"""Three NATS servers with three copies of each stream: the history stays complete whichever leader dies under load."""

import asyncio
from pathlib import Path

import pytest

from bridge_process import BRIDGE, bridge_environment, process
from chaos.cluster import Cluster
from frame_source import STREAM, SUBJECT, FrameSource, served
from mesh.feeds.feed import FlowControl
from mesh.feeds.ring import Retention
from qiki.radar.v1 import radar_service_pb2 as pb

RETENTION = Retention(10**18, 256 * 1024**2)
PERIOD_S = 0.005
BETWEEN_KILLS = 400
KILLS = 2
TIMEOUT_S = 60.0
POLL_S = 0.05


@pytest.mark.asyncio
async def test_leaders_killed_under_load_cause_no_loss_duplicate_or_reordering(tmp_path: Path) -> None:
    source = FrameSource(RETENTION, FlowControl.LOSSLESS)
    source.feed.replayed()
    source.gate.set()
    async with Cluster(tmp_path) as cluster, served(source) as port:
        environment = bridge_environment(tmp_path, f"127.0.0.1:{port}", cluster.url)
        async with process(*BRIDGE, log=tmp_path / "bridge.log", env=environment):
            async with asyncio.TaskGroup() as group:
                group.create_task(produce(source, (KILLS + 1) * BETWEEN_KILLS))
                for kill in range(1, KILLS + 1):
                    await confirmed(source, kill * BETWEEN_KILLS)
                    leader = await cluster.leader(STREAM)
                    await leader.kill()
                    await cluster.leader(STREAM)
                    await leader.start()
            await confirmed(source, source.feed.store.last_sequence)
        found = await cluster.read(SUBJECT, STREAM)
    wanted = [entry for at in range(1, len(found) + 1) if (entry := source.feed.store.get(at)) is not None]
    assert len(found) == source.feed.store.last_sequence
    for message, entry in zip(found, wanted, strict=True):
        event = pb.WatchFramesResponse.FromString(entry.response)
        assert message.headers["ce-id"] == event.context.id
        assert int(message.headers["ce-sequence"]) == event.context.sequence
        assert message.data == event.frame.SerializeToString(deterministic=True)


async def produce(source: FrameSource, count: int) -> None:
    for _ in range(count):
        source.append(300)
        await asyncio.sleep(PERIOD_S)


async def confirmed(source: FrameSource, sequence: int) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        while source.feed.readers.confirmed["bridge"] < sequence:
            await source.feed.change.wait(1.0)

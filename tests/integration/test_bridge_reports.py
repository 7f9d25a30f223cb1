"""The bridge in the audit trail: streams that are not as declared, and a connection lost and found again."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.jetstream import wiring
from adapters.jetstream.client.connection import connect
from adapters.jetstream.config import BridgeSettings
from adapters.jetstream.topology.streams import init
from code_proofs import prove, waiting
from declared import init_durables, wanted_streams
from mesh.serving.health import Health
from mesh.serving.runtime import ServiceContext
from mesh.telemetry.telemetry import Telemetry
from nats_server import NatsServer
from qiki_sdk.audit import AuditReporter
from qiki_sdk.codes import NATS_CONNECTED, NATS_LOST, TOPOLOGY_DRIFT

TIMEOUT_S = 60.0


@pytest.mark.asyncio
async def test_missing_streams_and_a_lost_connection_are_reported_once_each(tmp_path: Path) -> None:
    base = ServiceContext(Health("bridge", 30.0), Telemetry("bridge"), AuditReporter("", "bridge"))

    def names() -> list[str]:
        return [each.name for each in waiting(base.audit)]

    async def until(holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(TIMEOUT_S):
            while not holds():  # noqa: ASYNC110 - a spool announces nothing
                await asyncio.sleep(0.05)

    async with NatsServer(tmp_path / "nats") as server:
        nobody = "127.0.0.1:1"
        settings = BridgeSettings(
            nats_url=server.url, sim_target=nobody, radar_target=nobody, tracker_target=nobody, registrar_target=nobody
        )
        parts = wiring.build(settings, base)
        async with asyncio.TaskGroup() as group:
            task = group.create_task(parts.loops[0]())  # type: ignore[arg-type]
            await until(lambda: "TOPOLOGY_DRIFT" in names())
            client = await connect(server.url, "test", lambda _event: None)
            await init(client, wanted_streams(0.01))
            await init_durables(client)
            await client.close()
            await until(lambda: base.health.report().facts.get("nats") == "connected")
            await server.kill()
            await until(lambda: "NATS_LOST" in names())
            await server.start()
            await until(lambda: names().count("NATS_CONNECTED") == 2)
            task.cancel()
    prove(TOPOLOGY_DRIFT, names())
    prove(NATS_LOST, names())
    prove(NATS_CONNECTED, names())
    assert names().count("TOPOLOGY_DRIFT") == 1

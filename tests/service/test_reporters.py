"""Reporters and a real registrar: dropped numbers are gaps in the trail, killed reporters lose nothing."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import svc_registrar.wiring
from code_proofs import prove
from mesh.serving.health import Health
from mesh.serving.interceptor import MeshInterceptor
from mesh.serving.rpc_metrics import RpcMetrics
from mesh.serving.runtime import ServiceContext
from mesh.serving.server import MeshServer
from mesh.telemetry.telemetry import Telemetry
from qiki.registrar.v1 import registrar_service_pb2 as pb
from qiki.registrar.v1.registrar_service_pb2_grpc import RegistrarServiceStub
from qiki_sdk.audit import AuditReporter
from qiki_sdk.backoff import Backoff
from qiki_sdk.channel import connect
from qiki_sdk.codes import GAP, REPORTER_GAP, SPOOL_DROPPED
from svc_registrar.config import RegistrarSettings

if TYPE_CHECKING:  # the generated stub exists for the type checker alone
    from qiki.registrar.v1.registrar_service_pb2_grpc import RegistrarServiceAsyncStub

pytestmark = pytest.mark.asyncio

WAIT_S = 30.0
NOWHERE = "127.0.0.1:1"
FAST = Backoff(first_s=0.01, cap_s=0.05)


def names(events: list[pb.AuditEvent]) -> list[str]:
    return [each.name for each in events if each.name not in ("BOOT_OK", "SHUTDOWN", "LOG_CHECKPOINT")]


async def trail(target: str) -> list[pb.AuditEvent]:
    found: list[pb.AuditEvent] = []
    token, complete = "", False
    async with connect(target) as channel:
        stub: RegistrarServiceAsyncStub = RegistrarServiceStub(channel)
        while not complete:
            page = await stub.ListEvents(pb.ListEventsRequest(page_size=1000, resume_token=token), timeout=WAIT_S)
            found += [item.audit_event for item in page.events]
            token, complete = page.resume_token, page.complete
    return found


@asynccontextmanager
async def served(state_dir: Path) -> AsyncIterator[str]:
    """Serve a registrar on its log; yield its address."""
    name = RegistrarSettings.service_name
    base = ServiceContext(Health(name, stall_s=60.0), Telemetry(name), AuditReporter("", name))
    parts = svc_registrar.wiring.build(RegistrarSettings(state_dir=state_dir), base)
    interceptor = MeshInterceptor(RpcMetrics(base.telemetry.registry), base.telemetry)
    server = MeshServer("127.0.0.1:0", parts.mounts, parts.feeds, base.health, interceptor)
    await server.start()
    with base.resources:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_run(loop)) for loop in parts.loops]
            try:
                yield f"127.0.0.1:{server.port}"
            finally:
                await server.drain()
                for task in tasks:
                    task.cancel()


async def _run(loop: Callable[[], Awaitable[None]]) -> None:
    await loop()


def facts(event: pb.AuditEvent) -> dict[str, str]:
    return {item.name: item.value for item in event.attributes}


async def test_events_that_a_spool_had_to_drop_are_a_gap_in_the_trail_once_also_across_restarts(tmp_path: Path) -> None:
    away = AuditReporter(NOWHERE, "agent", capacity=3, spool_dir=tmp_path / "spool")
    for number in range(10):
        away.report(GAP, f"{number}")
    away._spool.close()  # as at the death of the process
    async with served(tmp_path / "log") as target:
        async with AuditReporter(target, "agent", capacity=3, spool_dir=tmp_path / "spool") as audit:
            assert await audit.flush(WAIT_S)
        found = await trail(target)
    prove(REPORTER_GAP, found)
    prove(SPOOL_DROPPED, found)
    assert names(found) == ["SPOOL_DROPPED", "REPORTER_GAP", "GAP", "GAP", "GAP"]
    (gap,) = [facts(each) for each in found if each.name == "REPORTER_GAP"]
    (dropped,) = [facts(each) for each in found if each.name == "SPOOL_DROPPED"]
    assert (
        (gap["first"], gap["last"], gap["reporter"])
        == (dropped["first"], dropped["last"], "agent")
        == ("1", "7", "agent")
    )
    async with served(tmp_path / "log") as target:  # a registrar that was restarted has forgotten the numbers
        async with AuditReporter(target, "agent", spool_dir=tmp_path / "spool") as audit:
            audit.report(GAP, "later")
            assert await audit.flush(WAIT_S)
        assert names(await trail(target)) == ["SPOOL_DROPPED", "REPORTER_GAP", "GAP", "GAP", "GAP", "GAP"]


async def test_what_a_killed_reporter_had_reported_is_recorded_once_and_in_order(tmp_path: Path) -> None:
    program = """
import asyncio, pathlib, sys
from qiki_sdk.audit import AuditReporter
from qiki_sdk.codes import GAP

async def main():
    async with AuditReporter(sys.argv[1], "agent", spool_dir=pathlib.Path(sys.argv[2])) as audit:
        for number in range(100_000):
            audit.report(GAP, str(number))
            print(number, flush=True)
            await asyncio.sleep(0)

asyncio.run(main())
"""
    reported = -1
    async with served(tmp_path / "log") as target:
        for _time in range(3):
            arguments = [sys.executable, "-c", program, target, str(tmp_path / "spool")]
            process = await asyncio.create_subprocess_exec(*arguments, stdout=subprocess.PIPE)
            assert process.stdout is not None
            for _line in range(300):
                reported = int(await process.stdout.readline())
            process.send_signal(signal.SIGKILL)
            await process.wait()
        async with AuditReporter(target, "agent", backoff=FAST, spool_dir=tmp_path / "spool") as audit:
            assert await audit.flush(WAIT_S)
        found = [each for each in await trail(target) if each.reporter == "agent"]
    numbers = [each.producer_sequence for each in found]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) >= 3 * (reported + 1) == 900
    assert len({each.event_id for each in found}) == len(found)


async def test_a_registrar_with_too_much_to_write_says_when_to_try_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("svc_registrar.recorder.MAX_PENDING_BYTES", 10)
    async with served(tmp_path / "log") as target, AuditReporter(target, "agent", backoff=FAST) as audit:
        audit.report(GAP, "too much")
        async with asyncio.timeout(WAIT_S):
            while "RESOURCE_EXHAUSTED" not in audit.state:  # noqa: ASYNC110 - a state announces nothing
                await asyncio.sleep(0.01)
        monkeypatch.undo()
        assert await audit.flush(WAIT_S)
        assert "GAP" in names(await trail(target))

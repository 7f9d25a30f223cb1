"""An audit log that is lost, or restored from an old copy: the bus reveals it, and an operator decides."""

import asyncio
import json
import shutil
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import nats
import pytest

from adapters.jetstream.topology.streams import init
from bridge_process import BRIDGE, process
from chain import read_subject
from code_proofs import prove
from declared import runtime_file, wanted_streams
from nats_server import NatsServer, free_port
from qiki.registrar.v1 import registrar_service_pb2 as pb
from qiki.registrar.v1.registrar_service_pb2_grpc import RegistrarServiceStub
from qiki_sdk import codes
from qiki_sdk.audit_event import make_event
from qiki_sdk.channel import connect

pytestmark = pytest.mark.asyncio
STREAM, SUBJECT = "QIKI_EVENTS_V1", "qiki.events.v1.audit"
TIMEOUT_S = 40.0
POLL_S = 0.05


class Mesh:
    """A permanent broker; a registrar and a bridge of its channel, for as long as a block lasts."""

    def __init__(self, directory: Path, server: NatsServer) -> None:
        self.directory = directory
        self.server = server
        self.log_dir = directory / "registrar"
        readers = {"audit": ("bridge",)}
        self.runtime = {name: runtime_file(directory, name, ["audit"], readers) for name in ("registrar", "bridge")}

    @asynccontextmanager
    async def running(self, accepted_log: str = "") -> AsyncIterator["Running"]:
        target, http_port = f"127.0.0.1:{free_port()}", free_port()
        registrar = {
            "QIKI_REGISTRAR_GRPC_PORT": target.rpartition(":")[2],
            "QIKI_REGISTRAR_HTTP_PORT": "0",
            "QIKI_REGISTRAR_STATE_DIR": str(self.log_dir),
            "QIKI_REGISTRAR_RUNTIME": str(self.runtime["registrar"]),
        }
        bridge = {
            "QIKI_BRIDGE_RUNTIME": str(self.runtime["bridge"]),
            "QIKI_BRIDGE_GRPC_PORT": "0",
            "QIKI_BRIDGE_HTTP_PORT": str(http_port),
            "QIKI_BRIDGE_NATS_URL": self.server.url,
            "QIKI_BRIDGE_REGISTRAR_TARGET": target,
            "QIKI_BRIDGE_ACCEPT_LOST_LOG": accepted_log,
        }
        log = self.directory / "processes.log"
        async with (
            process(sys.executable, "-m", "svc_registrar", log=log, env=registrar),
            process(*BRIDGE, log=log, env=bridge),
            connect(target) as channel,
        ):
            yield Running(RegistrarServiceStub(channel), http_port)

    async def bus(self) -> list[tuple[str, int]]:
        """Return the log and the sequence of each audit event in JetStream."""
        messages = await read_subject(self.server.port, SUBJECT, STREAM)
        return [(message.headers["ce-run"], int(message.headers["ce-sequence"])) for message in messages]


class Running:
    def __init__(self, stub: Any, http_port: int) -> None:
        self.stub = stub
        self.http_port = http_port

    async def log(self) -> pb.GetLogResponse:
        async with asyncio.timeout(TIMEOUT_S):
            while True:
                try:
                    return await self.stub.GetLog(pb.GetLogRequest(), timeout=5)
                except grpc.aio.AioRpcError:
                    await asyncio.sleep(POLL_S)

    async def record(self, count: int) -> None:
        await self.log()
        events = [make_event("test", codes.BOOT_OK, f"event {number}") for number in range(count)]
        await self.stub.RecordEvents(pb.RecordEventsRequest(events=events), timeout=5)

    async def carried(self) -> tuple[str, int]:
        """Return the log's id and its last sequence once the bridge has published all of it."""
        async with asyncio.timeout(TIMEOUT_S):
            while (log := await self.log()).last_sequence != (await self._channel())["sequence"]:  # noqa: ASYNC110
                await asyncio.sleep(POLL_S)
        return log.log_id, log.last_sequence

    async def stopped(self) -> str:
        """Return why the channel has stopped, once the bridge is NOT_SERVING for it."""
        async with asyncio.timeout(TIMEOUT_S):
            while not (state := str((await self._channel())["state"])).startswith("stopped"):  # noqa: ASYNC110
                await asyncio.sleep(POLL_S)
        assert (await asyncio.to_thread(self._health))["status"] == "NOT_SERVING"
        return state

    async def until_recorded(self, name: str) -> list[str]:
        """Return the names of the recorded events once this one is among them."""
        await self.log()
        async with asyncio.timeout(TIMEOUT_S):
            while True:
                page = await self.stub.ListEvents(pb.ListEventsRequest(page_size=1000), timeout=5)
                names = [item.audit_event.name for item in page.events]
                if name in names:
                    return names
                await asyncio.sleep(POLL_S)

    async def _channel(self) -> dict[str, Any]:
        facts = (await asyncio.to_thread(self._health)).get("facts", {})
        found: dict[str, Any] = facts.get("channels", {}).get("audit", {"sequence": -1, "state": ""})
        return found

    def _health(self) -> dict[str, Any]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}/healthz", timeout=2) as answer:
                return dict(json.load(answer))
        except urllib.error.HTTPError as error:
            return dict(json.load(error))
        except OSError:
            return {}


@asynccontextmanager
async def mesh(directory: Path) -> AsyncIterator[Mesh]:
    async with NatsServer(directory / "nats") as server:
        client = await nats.connect(server.url)
        await init(client, wanted_streams(0.1))
        await client.close()
        yield Mesh(directory, server)


async def test_a_deleted_log_stops_its_channel_until_the_loss_is_accepted_by_its_id(tmp_path: Path) -> None:
    async with mesh(tmp_path) as it:
        async with it.running() as running:
            await running.record(5)
            lost, _last = await running.carried()
        before = await it.bus()
        shutil.rmtree(it.log_dir)
        async with it.running() as running:
            why = await running.stopped()
            new = (await running.log()).log_id
            assert f"AUDIT_LOG_LOST: the bus holds audit events up to {len(before)} of log {lost}" in why
            assert f"the registrar serves log {new}. Put the directory of log {lost} back" in why
            assert f"QIKI_BRIDGE_ACCEPT_LOST_LOG={lost}" in why
            prove(codes.AUDIT_LOG_LOST, await running.until_recorded("AUDIT_LOG_LOST"))
        assert await it.bus() == before, "nothing of the new log is on the bus"
        async with it.running(accepted_log=new) as running:
            assert "AUDIT_LOG_LOST" in await running.stopped(), "only the lost log's own id accepts its loss"
        async with it.running(accepted_log=lost) as running:
            await running.until_recorded("AUDIT_LOG_LOST")
            await running.carried()
        found = await it.bus()
        assert found[: len(before)] == before
        assert found[len(before) :] == [(new, number) for number in range(1, len(found) - len(before) + 1)]
        async with it.running() as running:
            await running.carried()


async def test_a_log_restored_from_an_old_copy_stops_its_channel_and_the_newest_copy_continues(tmp_path: Path) -> None:
    async with mesh(tmp_path) as it:
        async with it.running() as running:
            await running.record(5)
            await running.carried()
        shutil.copytree(it.log_dir, tmp_path / "old copy")
        async with it.running() as running:
            await running.record(50)
            log_id, _last = await running.carried()
        it.log_dir.rename(tmp_path / "newest")
        shutil.copytree(tmp_path / "old copy", it.log_dir)
        before = await it.bus()
        async with it.running() as running:
            why = await running.stopped()
            assert f"AUDIT_LOG_LOST: the bus holds audit events up to {len(before)} of log {log_id}" in why
            assert "the registrar's copy of it does not" in why
            assert "Put the newest copy of its directory back" in why
        assert await it.bus() == before
        shutil.rmtree(it.log_dir)
        (tmp_path / "newest").rename(it.log_dir)
        async with it.running() as running:
            assert (await running.carried())[0] == log_id
        assert await it.bus() == [(log_id, number) for number in range(1, len(await it.bus()) + 1)]

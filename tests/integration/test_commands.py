"""Commands by nats-py alone on the running mesh: executed once, answered once, or dead-lettered with the reason."""

import asyncio
import math
import os
import signal
import urllib.request
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import nats
import pytest
from google.protobuf import json_format
from nats.js import JetStreamContext
from nats.js.api import ConsumerConfig

from adapters.jetstream.client.connection import connect as connect_nats
from adapters.jetstream.codec.message_spans import MessageSpans
from adapters.jetstream.inbound.commands import CommandForwarder
from adapters.jetstream.metrics import CommandMetrics
from adapters.jetstream.topology import consumers
from adapters.jetstream.topology.streams import init
from botspec.bus.streams import SIM_COMMANDS
from chain import RUN_ID, Stored, chain, facts, published_all, read_all, read_audit, read_subject, until
from cli.local_mesh.mesh import Mesh
from code_proofs import prove
from declared import BUS, init_durables, wanted_streams
from mesh.serving.health import Health
from mesh.serving.runtime import ServiceContext
from mesh.telemetry.telemetry import Telemetry
from nats_server import NatsServer, free_port
from qiki.registrar.v1.registrar_service_pb2 import AuditEvent
from qiki.sim.v1.commands_pb2 import Command, CommandOutcome, CommandResult, SetHelm
from qiki.sim.v1.sim_service_pb2 import ExecuteCommandRequest, ExecuteCommandResponse, ResumeSimulationRequest
from qiki.sim.v1.sim_service_pb2_grpc import SimServiceServicer, SimServiceStub, add_SimServiceServicer_to_server
from qiki.sim.v1.world_pb2 import WorldSnapshot
from qiki_sdk.audit import AuditReporter
from qiki_sdk.channel import connect
from qiki_sdk.codes import COMMAND_DONE, COMMAND_REFUSED, COMMAND_REPEATED

pytestmark = pytest.mark.asyncio

COMMANDS, RESPONSES, DEAD_LETTERS = "qiki.commands.v1.qiki-01", "qiki.responses.v1.qiki-01", "qiki.dlq.v1.sim_commands"
APPLIED, REFUSED = CommandOutcome.COMMAND_OUTCOME_APPLIED, CommandOutcome.COMMAND_OUTCOME_REFUSED
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
DURATION_S = 30.0
LAST_TICK = 600


@dataclass(frozen=True)
class Bus:
    """A running mesh, and an independent client of the bus."""

    mesh: Mesh
    jetstream: JetStreamContext

    async def send(self, command: Command, subject: str = COMMANDS, **changes: str) -> str:
        await self.jetstream.publish(subject, command.SerializeToString(), headers=headers(command, **changes))
        return command.command_id

    async def answers(self, count: int) -> list[Stored]:
        """Return every stored answer, once there are this many."""
        await until(lambda: self.bridge("answered") >= count, f"{count} answered")
        return await read_subject(self.mesh.ports["nats"], RESPONSES, "QIKI_RESPONSES_V1")

    async def dead_letters(self, count: int) -> list[Stored]:
        await until(lambda: self.bridge("dead_lettered") >= count, f"{count} dead-lettered")
        return await read_subject(self.mesh.ports["nats"], DEAD_LETTERS, "QIKI_DLQ_V1")

    def bridge(self, name: str) -> int:
        return int(facts(self.mesh, "bridge").get("commands", {}).get(name, 0))

    async def audit(self, name: str) -> list[AuditEvent]:
        events = [AuditEvent.FromString(message.data) for message in await read_audit(self.mesh)]
        return [event for event in events if event.name == name]


@asynccontextmanager
async def on_the_bus(directory: Path, duration_s: float = DURATION_S, **options: Any) -> AsyncIterator[Bus]:
    async with chain(directory, duration_s, **options) as mesh:
        client = await nats.connect(f"nats://127.0.0.1:{mesh.ports['nats']}")
        try:
            yield Bus(mesh, client.jetstream())
        finally:
            await client.close()


def headers(command: Command, **changes: str) -> dict[str, str]:
    found = {
        "ce-specversion": "1.0",
        "ce-id": command.command_id or str(uuid.uuid4()),
        "ce-source": "/agents/pilot",
        "ce-type": "qiki.sim.v1.Command",
        "ce-datacontenttype": "application/protobuf",
        "traceparent": TRACE,
    }
    return found | {name.replace("_", "-"): value for name, value in changes.items()}


def helm(tick: int = 0, **values: float) -> Command:
    return Command(command_id=str(uuid.uuid4()), tick=tick, set_helm=SetHelm(**values))


def speeds(world: list[Stored]) -> dict[int, float]:
    snapshots = [WorldSnapshot.FromString(message.data) for message in world]
    return {shot.tick: math.hypot(shot.own_ship.velocity.x, shot.own_ship.velocity.y) for shot in snapshots}


async def test_a_command_moves_the_ship_and_its_answer_carries_its_id(tmp_path: Path) -> None:
    async with on_the_bus(tmp_path, speed="max", settings=(("sim", "paused", "true"),)) as bus:
        now, later, as_json = helm(speed_mps=40.0), helm(400, speed_mps=90.0), helm(500, speed_mps=7.0)
        wrong = helm(speed_mps=math.nan)
        await bus.send(now)
        await bus.send(later)
        await bus.jetstream.publish(
            COMMANDS,
            json_format.MessageToJson(as_json).encode(),
            headers=headers(as_json, ce_datacontenttype="application/json"),
        )
        await bus.send(wrong)
        answers = await bus.answers(4)
        results = [CommandResult.FromString(answer.data) for answer in answers]
        commands = [now, later, as_json, wrong]
        assert [result.command_id for result in results] == [command.command_id for command in commands]
        assert [result.outcome for result in results] == [APPLIED, APPLIED, APPLIED, REFUSED]
        assert [result.tick for result in results] == [1, 400, 500, 0]
        assert results[3].field == "set_helm.speed_mps"
        for answer, result in zip(answers, results, strict=True):
            assert answer.headers["ce-subject"] == result.command_id
            assert answer.headers["ce-type"] == answer.headers["ce_type"] == "qiki.sim.v1.CommandResult"
            assert answer.headers["ce-id"] == answer.headers["Nats-Msg-Id"]
            assert answer.headers["ce-traceparent"].split("-")[1] == TRACE.split("-")[1]
        assert len({answer.headers["ce-id"] for answer in answers}) == 4
        await resume(bus.mesh)
        await until(lambda: published_all(bus.mesh), "everything published")
        shown = speeds((await read_all(bus.mesh))["qiki.sim.v1.world"])
        for tick, speed_mps in ((2, 40.0), (398, 40.0), (400, 90.0), (498, 90.0), (500, 7.0), (LAST_TICK, 7.0)):
            assert shown[tick] == pytest.approx(speed_mps)
        done = await bus.audit("COMMAND_DONE")
        assert [attribute_of(event, "command_id") for event in done] == [item.command_id for item in commands[:3]]
        prove(COMMAND_DONE, done)
        prove(COMMAND_REFUSED, await bus.audit("COMMAND_REFUSED"))
        assert len(await bus.audit("COMMAND_REFUSED")) == 1


async def test_a_repeated_command_is_answered_once_with_its_first_result(
    tmp_path: Path,
) -> None:
    async with on_the_bus(tmp_path, speed="1") as bus:
        first, second = helm(speed_mps=40.0), helm(speed_mps=50.0)
        for command in (first, first, second, first):
            await bus.send(command)
        answers = await bus.answers(4)
        assert [CommandResult.FromString(answer.data).command_id for answer in answers] == [
            first.command_id,
            second.command_id,
        ]
        prove(COMMAND_REPEATED, await bus.audit("COMMAND_REPEATED"))
        assert len(await bus.audit("COMMAND_REPEATED")) == 2


async def test_an_unprocessable_message_is_dead_lettered_unchanged_with_the_reason_and_the_next_is_processed(
    tmp_path: Path,
) -> None:
    good = helm(speed_mps=1.0)
    nameless = Command(command_id="no uuid", set_helm=SetHelm(speed_mps=1.0))
    cases = [
        (COMMANDS, b"plain", {"X-Kept": "yes"}, "NOT_A_CLOUDEVENT"),
        (COMMANDS, b"\xff\xff\xff", headers(good), "MALFORMED_PAYLOAD"),
        (COMMANDS, b"[", headers(good, ce_datacontenttype="application/json"), "MALFORMED_PAYLOAD"),
        (COMMANDS, b"", headers(good, ce_type="com.example.Other"), "UNKNOWN_TYPE"),
        (COMMANDS, b"x", headers(good, ce_datacontenttype="text/plain"), "UNKNOWN_CONTENT_TYPE"),
        (COMMANDS, nameless.SerializeToString(), headers(good), "REJECTED"),
        ("qiki.commands.v1.qiki-02", good.SerializeToString(), headers(good), "UNROUTABLE"),
        (f"{COMMANDS}.more", good.SerializeToString(), headers(good), "UNROUTABLE"),
    ]
    async with on_the_bus(tmp_path, speed="1") as bus:
        for subject, payload, sent, _reason in cases:
            await bus.jetstream.publish(subject, payload, headers=sent)
        await bus.send(good)
        (answer,) = await bus.answers(1)
        assert CommandResult.FromString(answer.data).command_id == good.command_id
        dead_letters = await bus.dead_letters(len(cases))
        for dead_letter, (subject, payload, sent, reason) in zip(dead_letters, cases, strict=True):
            assert (dead_letter.data, dead_letter.headers["qiki-dlq-reason"]) == (payload, reason)
            assert (dead_letter.headers["qiki-dlq-subject"], dead_letter.headers["qiki-dlq-consumer"]) == (
                subject,
                "sim_commands",
            )
            assert sent.items() <= dead_letter.headers.items()
        assert len(await bus.audit("DEAD_LETTERED")) == len(cases)
        info = await bus.jetstream.consumer_info("QIKI_COMMANDS_V1", "sim_commands")
        assert (info.num_pending, info.num_ack_pending) == (0, 0)


async def test_commands_that_arrive_while_the_simulator_and_the_bridge_are_killed_act_exactly_once(
    tmp_path: Path,
) -> None:
    kills = (("sim", 150), ("bridge", 250), ("sim", 350), ("sim", 450), ("nats", 550), ("bridge", 650))
    sent: list[Command] = []
    async with on_the_bus(tmp_path / "disturbed", 2 * DURATION_S, speed="3") as bus:
        ended = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(send_now_and_then(bus, sent, ended))
            for name, tick in kills:
                await until(lambda tick=tick: facts(bus.mesh, "sim").get("tick", 0) >= tick, f"tick {tick}")  # type: ignore[misc]
                os.kill(int(bus.mesh.endpoints()[name]["pid"]), signal.SIGKILL)
            await until(lambda: published_all(bus.mesh), "everything published")
            ended.set()
        await until(lambda: lag_of_commands(bus.mesh) == 0, "every command is done with")
        answers = await read_subject(bus.mesh.ports["nats"], RESPONSES, "QIKI_RESPONSES_V1")
        disturbed = await read_all(bus.mesh)
        assert await read_subject(bus.mesh.ports["nats"], DEAD_LETTERS, "QIKI_DLQ_V1") == []
    results = [CommandResult.FromString(answer.data) for answer in answers]
    assert [result.command_id for result in results] == [command.command_id for command in sent], "each once, in order"
    applied = [(result.tick, command) for result, command in zip(results, sent, strict=True) if result.tick]
    assert len(applied) > 10, [(result.tick, result.message) for result in results]
    shown = speeds(disturbed["qiki.sim.v1.world"])
    for at in range(2, 2 * LAST_TICK + 1, 2):
        wanted = [command.set_helm.speed_mps for tick, command in applied if tick <= at]
        assert shown[at] == pytest.approx(wanted[-1] if wanted else 10.0)
    journal = tmp_path / "disturbed" / "state" / "sim" / "commands.journal"
    async with on_the_bus(tmp_path / "clean", 2 * DURATION_S, settings=(("sim", "journal", str(journal)),)) as bus:
        await until(lambda: published_all(bus.mesh), "everything published")
        clean = await read_all(bus.mesh)
    for subject, messages in clean.items():
        assert [identity(message) for message in disturbed[subject]] == [identity(message) for message in messages]


async def send_now_and_then(bus: Bus, sent: list[Command], ended: asyncio.Event) -> None:
    """Send a command about three times a second, over a broker that may be away."""
    while not ended.is_set():
        command = helm(speed_mps=float(len(sent) + 20), course_deg=float(len(sent) % 360))
        message_id = {"Nats-Msg-Id": command.command_id}
        while True:  # bounded by the test's own waits
            try:
                await bus.jetstream.publish(
                    COMMANDS, command.SerializeToString(), headers=headers(command) | message_id, timeout=2
                )
                break
            except (nats.errors.Error, nats.js.errors.Error):
                await asyncio.sleep(0.1)  # the broker comes back
        sent.append(command)
        await asyncio.sleep(0.3)  # a person's steering rate


def lag_of_commands(mesh: Mesh) -> float:
    """Return the number of unfinished commands that the bridge reports; infinite if it does not."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{mesh.ports['bridge-http']}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
    except OSError:
        return math.inf
    labels = 'consumer="sim_commands",stream="QIKI_COMMANDS_V1"'
    wanted = [f"qiki_jetstream_consumer_{name}{{{labels}}} " for name in ("lag", "ack_pending")]
    found = [float(line.removeprefix(start)) for start in wanted for line in lines if line.startswith(start)]
    return sum(found) if len(found) == len(wanted) else math.inf


def identity(message: Stored) -> tuple[str, str, bytes]:
    return message.headers["ce-id"], message.headers["ce-sequence"], message.data


def attribute_of(event: AuditEvent, name: str) -> str:
    return next(attribute.value for attribute in event.attributes if attribute.name == name)


async def resume(mesh: Mesh) -> None:
    async with connect(f"127.0.0.1:{mesh.ports['sim']}") as channel:
        await SimServiceStub(channel).ResumeSimulation(ResumeSimulationRequest(), timeout=10)


# -- without a simulator -----------------------------------------------------------------------------------------------


async def test_a_command_without_a_simulator_is_dead_lettered_after_max_deliver_and_so_is_the_next(
    tmp_path: Path,
) -> None:
    changed = {"ack_wait_s": 20.0, "max_deliver": 3, "backoff_s": (0.05, 0.1)}
    durable = BUS.durable(SIM_COMMANDS).model_copy(update=changed)
    bus = BUS.model_copy(update={"durables": (durable, *(each for each in BUS.durables if each.name != SIM_COMMANDS))})
    async with NatsServer(tmp_path / "nats") as server:
        client = await connect_nats(server.url, "test", lambda _event: None)
        await init(client, wanted_streams(0.01))
        jetstream = client.jetstream()
        config = ConsumerConfig(
            durable_name=durable.name,
            filter_subject=durable.filter_subject,
            ack_wait=durable.ack_wait_s,
            max_deliver=durable.max_deliver,
            max_ack_pending=durable.max_ack_pending,
        )
        await jetstream.add_consumer(durable.stream, config)
        sent = [helm(speed_mps=1.0), helm(speed_mps=2.0)]
        for command in sent:
            await jetstream.publish(COMMANDS, command.SerializeToString(), headers=headers(command))
        base = ServiceContext(Health("bridge", 30.0), Telemetry("bridge"), AuditReporter("", "bridge"))
        metrics, spans = CommandMetrics(base.telemetry.registry), MessageSpans(base.telemetry.tracer, "")
        forwarder = CommandForwarder(bus, f"127.0.0.1:{free_port()}", metrics, base, spans=spans)
        async with asyncio.TaskGroup() as group:
            task = group.create_task(forwarder.run(client))
            subscription = await jetstream.subscribe(DEAD_LETTERS, ordered_consumer=True)
            dead_letters = [await subscription.next_msg(timeout=30) for _ in sent]
            task.cancel()
        await client.close()
    assert [dead_letter.data for dead_letter in dead_letters] == [command.SerializeToString() for command in sent]
    for dead_letter in dead_letters:
        found = dead_letter.headers or {}
        assert found["qiki-dlq-reason"] == "EXHAUSTED"
        assert found["qiki-dlq-detail"].startswith("delivered 3 times; the last time: UNAVAILABLE")
    assert base.audit.counts().reported == 2


class Repeats(SimServiceServicer):
    """A simulator that executes every command, and recognises a repeated one."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    async def ExecuteCommand(self, request: ExecuteCommandRequest, context: Any) -> ExecuteCommandResponse:
        command_id = request.command.command_id
        self.seen.append(command_id)
        result = CommandResult(command_id=command_id, run_id=RUN_ID, outcome=APPLIED, tick=1)
        return ExecuteCommandResponse(result=result, repeated=self.seen.count(command_id) > 1)


async def test_a_command_repeated_after_the_duplicate_window_is_not_answered_again(tmp_path: Path) -> None:
    """The consumer is recreated, so its message is redelivered as after a bridge's death before the acknowledgement."""
    window_s = 0.1
    server_of_sim, sim = grpc.aio.server(), Repeats()
    add_SimServiceServicer_to_server(sim, server_of_sim)
    port = server_of_sim.add_insecure_port("127.0.0.1:0")
    await server_of_sim.start()
    async with NatsServer(tmp_path / "nats") as server:
        client = await connect_nats(server.url, "test", lambda _event: None)
        streams = wanted_streams(0.01)
        streams["QIKI_RESPONSES_V1"] = {**streams["QIKI_RESPONSES_V1"], "duplicate_window": int(window_s * 1e9)}
        await init(client, streams)
        await init_durables(client)
        jetstream = client.jetstream()
        base = ServiceContext(Health("bridge", 30.0), Telemetry("bridge"), AuditReporter("", "bridge"))
        metrics, spans = CommandMetrics(base.telemetry.registry), MessageSpans(base.telemetry.tracer, "")
        forwarder = CommandForwarder(BUS, f"127.0.0.1:{port}", metrics, base, spans=spans)
        async with asyncio.TaskGroup() as group:
            task = group.create_task(forwarder.run(client))
            command = helm(speed_mps=1.0)
            await jetstream.publish(COMMANDS, command.SerializeToString(), headers=headers(command))
            await until(lambda: forwarder.facts()["answered"] == 1, "answered")
            await asyncio.sleep(3 * window_s)  # the window's end is announced by nobody
            await jetstream.delete_consumer("QIKI_COMMANDS_V1", "sim_commands")
            await init_durables(client)
            await until(lambda: forwarder.facts()["answered"] == 2, "answered again")
            task.cancel()
        answers = await read_subject(server.port, RESPONSES, "QIKI_RESPONSES_V1")
        await client.close()
    await server_of_sim.stop(0)
    assert sim.seen == [command.command_id] * 2
    assert [CommandResult.FromString(answer.data).command_id for answer in answers] == [command.command_id]


async def test_the_declared_durables_are_created_and_checked(tmp_path: Path) -> None:
    async with NatsServer(tmp_path / "nats") as server:
        client = await connect_nats(server.url, "test", lambda _event: None)
        await init(client, wanted_streams(0.01))
        assert len(await init_durables(client)) == 3
        assert (await init_durables(client), await consumers.check(client, BUS.durables)) == ([], [])
        info = await client.jetstream().consumer_info("QIKI_COMMANDS_V1", "sim_commands")
        assert (info.config.max_ack_pending, info.config.max_deliver) == (1, BUS.durable(SIM_COMMANDS).max_deliver)
        await client.close()

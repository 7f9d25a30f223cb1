"""Dead letters: a message never acknowledged becomes one, and `qiki nats dlq` lists, shows and replays them."""

import asyncio
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from nats.aio.client import Client
from nats.js.api import ConsumerConfig

from adapters.jetstream.client.connection import connect
from adapters.jetstream.inbound.advisories import AdvisoryReader
from adapters.jetstream.inbound.dead_letters import DeadLetter, put
from adapters.jetstream.metrics import CommandMetrics
from adapters.jetstream.topology.streams import init
from botspec.bus.streams import DLQ_ADVISORIES
from code_proofs import prove, waiting
from declared import BUS, init_durables, wanted_streams
from mesh.serving.health import Health
from mesh.serving.runtime import ServiceContext
from mesh.telemetry.telemetry import Telemetry
from nats_server import NatsServer
from qiki.sim.v1.commands_pb2 import Command, SetHelm
from qiki_sdk.audit import AuditReporter
from qiki_sdk.codes import COMMAND_EXHAUSTED

COMMANDS = "qiki.commands.v1.qiki-01"
COMMAND = Command(command_id="7b6f0a3e-2f5c-4f0e-9c41-3a8d2f1e5b00", set_helm=SetHelm(speed_mps=12.5))
HEADERS = {
    "ce-specversion": "1.0",
    "ce-id": COMMAND.command_id,
    "ce-source": "/agents/pilot",
    "ce-type": "qiki.sim.v1.Command",
}


@pytest_asyncio.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    async with NatsServer(tmp_path / "nats") as server:
        client = await connect(server.url, "test", lambda _event: None)
        try:
            await init(client, wanted_streams(0.01))
            await init_durables(client)
            yield client
        finally:
            await client.close()


async def dlq(client: Client, *arguments: str) -> subprocess.CompletedProcess[str]:
    assert client.connected_url is not None
    command = [sys.executable, "-m", "cli", "nats", "dlq", *arguments, "--nats-url", client.connected_url.geturl()]
    return await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60, check=False)


def dead_letter(sequence: int, payload: bytes, headers: dict[str, str], subject: str = COMMANDS) -> DeadLetter:
    return DeadLetter(
        "sim_commands", "QIKI_COMMANDS_V1", sequence, subject, headers, payload, "EXHAUSTED", "nobody there"
    )


@pytest.mark.asyncio
async def test_the_list_shows_every_dead_letter_in_order_with_its_subject_reason_and_consumer(client: Client) -> None:
    empty = await dlq(client, "list")
    assert (empty.returncode, empty.stdout) == (0, "There are no dead letters.\n")
    for number in range(1, 4):
        await put(client, "QIKI_DLQ_V1", dead_letter(number, b"x", {}))
    listed = await dlq(client, "list")
    rows = [line.split() for line in listed.stdout.splitlines()]
    assert rows[0] == ["SEQUENCE", "TIME", "SUBJECT", "REASON", "CONSUMER", "REPLAYED"]
    assert [(row[0], *row[2:]) for row in rows[1:]] == [
        (str(number), COMMANDS, "EXHAUSTED", "sim_commands") for number in (1, 2, 3)
    ]
    part = await dlq(client, "list", "--after", "1", "--limit", "1")
    assert [line.split()[0] for line in part.stdout.splitlines()] == ["SEQUENCE", "2", "There"]


@pytest.mark.asyncio
async def test_a_dead_letter_is_shown_with_its_headers_and_its_payload_readably_or_in_hexadecimal(
    client: Client,
) -> None:
    await put(client, "QIKI_DLQ_V1", dead_letter(1, COMMAND.SerializeToString(), HEADERS))
    await put(client, "QIKI_DLQ_V1", dead_letter(2, b"\xff\x00", HEADERS))
    await put(client, "QIKI_DLQ_V1", dead_letter(3, b"\x1b[2J", {"X-Odd": "\x1b[31mred"}, subject="odd"))
    readable = (await dlq(client, "show", "1")).stdout
    for expected in ("EXHAUSTED: nobody there", "ce-source: /agents/pilot", '"speed_mps": 12.5', "QIKI_COMMANDS_V1/1"):
        assert expected in readable
    assert "qiki-dlq" not in readable
    assert "ff 00" in (await dlq(client, "show", "2")).stdout
    odd = (await dlq(client, "show", "3")).stdout
    assert "\x1b" not in odd
    assert "1b 5b 32 4a" in odd
    missing = await dlq(client, "show", "9")
    assert (missing.returncode, missing.stdout) == (1, "")
    assert "there is no dead letter 9; `qiki nats dlq list` shows those there are." in missing.stderr


@pytest.mark.asyncio
async def test_a_replay_publishes_the_message_on_its_subject_once_and_unchanged(client: Client) -> None:
    jetstream = client.jetstream()
    first = await jetstream.publish(COMMANDS, COMMAND.SerializeToString(), headers=HEADERS)
    await put(
        client,
        "QIKI_DLQ_V1",
        dead_letter(first.seq, COMMAND.SerializeToString(), {**HEADERS, "Nats-Msg-Id": "of the sender"}),
    )
    done = await dlq(client, "replay", "1")
    assert done.stdout == f"The message of dead letter 1 is stored on {COMMANDS} again.\n"
    assert "replayed  20" in (await dlq(client, "show", "1")).stdout
    (_header, row) = [line.split() for line in (await dlq(client, "list")).stdout.splitlines()]
    assert len(row) == 6
    assert row[5].startswith("20")
    again = await dlq(client, "replay", "1")
    assert (again.returncode, again.stdout.partition(":")[0]) == (0, "Nothing to do")
    state = (await jetstream.stream_info("QIKI_COMMANDS_V1")).state
    assert state.messages == 2
    message = await jetstream.get_msg("QIKI_COMMANDS_V1", 2)
    assert (message.subject, message.data) == (COMMANDS, COMMAND.SerializeToString())
    kept = {name: value for name, value in (message.headers or {}).items() if name != "Nats-Msg-Id"}
    assert kept == HEADERS


@pytest.mark.asyncio
async def test_a_payload_that_is_text_is_shown_as_text(client: Client) -> None:
    await put(client, "QIKI_DLQ_V1", dead_letter(1, 'not json: {"door": 4}\nzoë'.encode(), {"X-Odd": "1"}))
    await put(client, "QIKI_DLQ_V1", dead_letter(2, b'{"specversion": "1.0", "id": ""}', {}))
    shown = (await dlq(client, "show", "1")).stdout
    assert '    not json: {"door": 4}\n    zoë\n' in shown
    assert "replayed  no" in shown
    assert '    {"specversion": "1.0", "id": ""}\n' in (await dlq(client, "show", "2")).stdout


@pytest.mark.asyncio
async def test_a_dead_letter_that_is_removed_is_gone_with_its_mark_and_the_others_stay(client: Client) -> None:
    first = await client.jetstream().publish(COMMANDS, b"x", headers=HEADERS)
    await put(client, "QIKI_DLQ_V1", dead_letter(first.seq, b"x", HEADERS))
    await put(client, "QIKI_DLQ_V1", dead_letter(9, b"y", HEADERS))
    await dlq(client, "replay", "1")
    removed = await dlq(client, "remove", "1")
    assert removed.stdout == f"Dead letter 1 of {COMMANDS} is removed.\n"
    assert [line.split()[0] for line in (await dlq(client, "list")).stdout.splitlines()] == ["SEQUENCE", "2"]
    assert (await client.jetstream().stream_info("QIKI_DLQ_V1")).state.messages == 1
    again = await dlq(client, "remove", "1")
    assert (again.returncode, again.stdout) == (1, "")
    assert "there is no dead letter 1" in again.stderr


@pytest.mark.asyncio
async def test_a_dead_letter_without_an_origin_is_not_replayed(client: Client) -> None:
    await client.jetstream().publish("qiki.dlq.v1.by_hand", b"x")
    refused = await dlq(client, "replay", "1")
    assert refused.returncode == 1
    assert "does not name its message's origin" in refused.stderr


@pytest.mark.asyncio
async def test_a_message_that_exhausted_max_deliver_becomes_a_dead_letter(client: Client) -> None:
    """Its last receiver died before it was acknowledged or dead-lettered: only the server's advisory reports it."""
    jetstream = client.jetstream()
    await jetstream.delete_consumer("QIKI_COMMANDS_V1", "sim_commands")
    config = ConsumerConfig(
        durable_name="sim_commands", filter_subject="qiki.commands.v1.>", ack_wait=0.2, max_deliver=1, max_ack_pending=1
    )
    await jetstream.add_consumer("QIKI_COMMANDS_V1", config)
    for number in range(2):
        headers = HEADERS | {"ce-id": str(uuid.uuid4()), "X-Number": str(number)}
        await jetstream.publish(COMMANDS, f"{number}".encode(), headers=headers)
    subscription = await jetstream.pull_subscribe_bind(consumer="sim_commands", stream="QIKI_COMMANDS_V1")
    base = ServiceContext(Health("bridge", 30.0), Telemetry("bridge"), AuditReporter("", "bridge"))
    reader = AdvisoryReader(BUS.durable(DLQ_ADVISORIES), "QIKI_DLQ_V1", CommandMetrics(base.telemetry.registry), base)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(reader.run(client))
        subscriber = await jetstream.subscribe("qiki.dlq.v1.>", ordered_consumer=True)
        for _ in range(2):
            await subscription.fetch(1, timeout=10)  # and its receiver never answers
        asking = group.create_task(ask(subscription))  # the server checks a message again only when a client asks
        found = [await subscriber.next_msg(timeout=20) for _ in range(2)]
        asking.cancel()
        task.cancel()
    assert [message.data for message in found] == [b"0", b"1"]
    for number, message in enumerate(found):
        kept = message.headers or {}
        assert (kept["qiki-dlq-reason"], kept["qiki-dlq-sequence"]) == ("EXHAUSTED", str(number + 1))
        assert (kept["X-Number"], kept["qiki-dlq-subject"]) == (str(number), COMMANDS)
    assert base.audit.counts().reported == 2
    prove(COMMAND_EXHAUSTED, waiting(base.audit))


async def ask(subscription: object) -> None:
    while True:
        try:
            await subscription.fetch(1, timeout=1)  # type: ignore[attr-defined]
        except TimeoutError:
            continue

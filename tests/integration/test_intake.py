"""The intake: external events from the bus are recorded by the registrar, other messages are dead-lettered."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import urllib.request
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nats
import pytest
import pytest_asyncio
from google.protobuf import json_format
from nats.js import JetStreamContext

from chain import AUDIT_STREAM, AUDIT_SUBJECT, Stored, chain, facts, read_audit, read_subject, until
from cli.local_mesh.mesh import Mesh
from code_proofs import prove
from documented_examples import examples
from qiki.registrar.v1.registrar_service_pb2 import AuditEvent, ListEventsRequest
from qiki.registrar.v1.registrar_service_pb2_grpc import RegistrarServiceStub
from qiki_sdk.audit_event import make_event
from qiki_sdk.channel import connect
from qiki_sdk.codes import (
    BOOT_OK,
    DEAD_LETTERED,
    FOREIGN_EVENT,
    INPUT_QUARANTINED,
    NATS_CONNECTED,
    PROCESS_DIED,
    SECURITY_VIOLATION,
    SHUTDOWN,
)

pytestmark = pytest.mark.asyncio


@dataclass(frozen=True)
class Bus:
    """A running mesh and an independent client of the bus."""

    mesh: Mesh
    jetstream: JetStreamContext

    async def publish(self, subject: str, payload: bytes, headers: dict[str, str]) -> None:
        await self.jetstream.publish(subject, payload, headers=headers)

    async def trail(self) -> list[AuditEvent]:
        async with connect(f"127.0.0.1:{self.mesh.ports['registrar']}") as channel:
            listed = await RegistrarServiceStub(channel).ListEvents(ListEventsRequest(page_size=1000), timeout=10)
        return [each.audit_event for each in listed.events]

    async def recorded(self, message: str) -> list[AuditEvent]:
        return [each for each in await self.trail() if each.message == message]

    async def bridged(self) -> list[Stored]:
        """Return the messages of the audit subject, strangers' among them, once all records are there."""
        await read_audit(self.mesh)
        return await read_subject(self.mesh.ports["nats"], AUDIT_SUBJECT, AUDIT_STREAM)

    def intake(self, name: str) -> int:
        return int(facts(self.mesh, "bridge").get("intake", {}).get(name, 0))

    async def dead_letters(self, count: int) -> list[Any]:
        subscription = await self.jetstream.subscribe("qiki.dlq.v1.registrar_intake", ordered_consumer=True)
        return [await subscription.next_msg(timeout=10) for _ in range(count)]


@pytest_asyncio.fixture
async def bus(tmp_path: Path) -> AsyncIterator[Bus]:
    async with chain(tmp_path, 2.0) as mesh:
        client = await nats.connect(f"nats://127.0.0.1:{mesh.ports['nats']}")
        try:
            yield Bus(mesh, client.jetstream())
        finally:
            await client.close()


def event(message: str) -> AuditEvent:
    return make_event("console", INPUT_QUARANTINED, message)


def headers(**changes: str) -> dict[str, str]:
    found = {
        "ce-specversion": "1.0",
        "ce-id": str(uuid.uuid4()),
        "ce-source": "/others/console",
        "ce-type": "qiki.registrar.v1.AuditEvent",
        "ce-datacontenttype": "application/protobuf",
    }
    return found | {name.replace("_", "-"): value for name, value in changes.items()}


async def test_an_external_event_is_recorded_once_however_often_it_is_sent(bus: Bus) -> None:
    sent = event("as protobuf")
    for _ in range(3):
        await bus.publish("qiki.events.v1.console", sent.SerializeToString(), headers())
    await until(lambda: bus.intake("recorded") == 3, "three messages taken in")
    assert await bus.recorded("as protobuf") == [sent]


async def test_an_event_in_json_is_recorded_under_its_cloudevents_id(bus: Bus) -> None:
    sent = event("as json")
    sent.ClearField("event_id")
    identity = str(uuid.uuid4())
    text = json_format.MessageToJson(sent)
    await bus.publish(
        "qiki.events.v1.a.b", text.encode(), headers(ce_id=identity, ce_datacontenttype="application/json")
    )
    await until(lambda: bus.intake("recorded") == 1, "the message taken in")
    (found,) = await bus.recorded("as json")
    assert found.event_id == identity


async def test_the_older_aliases_alone_are_understood(bus: Bus) -> None:
    sent = event("with aliases")
    older = {"ce_id": sent.event_id, "ce_type": "qiki.registrar.v1.AuditEvent", "ce_source": "/older"}
    await bus.publish("qiki.events.v1.older", sent.SerializeToString(), older)
    await until(lambda: bus.intake("recorded") == 1, "the message taken in")
    assert await bus.recorded("with aliases") == [sent]


async def test_a_message_that_is_no_audit_event_is_dead_lettered_unchanged_with_the_reason(bus: Bus) -> None:
    wrong_code = event("an unknown code")
    wrong_code.code = 998
    cases = [
        (b"plain", {"X-Kept": "yes"}, "NOT_A_CLOUDEVENT"),
        (b"\xff\xff\xff", headers(), "MALFORMED_PAYLOAD"),
        (b"{", headers(ce_datacontenttype="application/json"), "MALFORMED_PAYLOAD"),
        (b"{}", {"Content-Type": "application/cloudevents+json"}, "NOT_A_CLOUDEVENT"),
        (b"x", headers(ce_datacontenttype="text/plain"), "UNKNOWN_CONTENT_TYPE"),
        (b"x", headers(ce_id="one") | {"ce_id": "two"}, "NOT_A_CLOUDEVENT"),
        (wrong_code.SerializeToString(), headers(), "REJECTED"),
    ]
    for payload, sent_headers, _reason in cases:
        await bus.publish("qiki.events.v1.junk", payload, sent_headers)
    await until(lambda: bus.intake("dead_lettered") == len(cases), "all dead-lettered")
    dead_letters = await bus.dead_letters(len(cases))
    assert sorted(dead_letter.headers["qiki-dlq-reason"] for dead_letter in dead_letters) == sorted(
        reason for *_, reason in cases
    )
    for dead_letter in dead_letters:
        sequence = int(dead_letter.headers["qiki-dlq-sequence"])
        origin = await bus.jetstream.get_msg("QIKI_EVENTS_V1", sequence)
        assert dead_letter.data == origin.data
        assert dead_letter.headers["qiki-dlq-subject"] == "qiki.events.v1.junk"
        kept = {name: value for name, value in (origin.headers or {}).items() if not name.startswith("Nats-")}
        assert kept.items() <= dead_letter.headers.items()
    async with connect(f"127.0.0.1:{bus.mesh.ports['registrar']}") as channel:
        listed = await RegistrarServiceStub(channel).ListEvents(ListEventsRequest(page_size=1000), timeout=10)
    assert sum(each.audit_event.name == "DEAD_LETTERED" for each in listed.events) == len(cases)
    prove(DEAD_LETTERED, [each.audit_event for each in listed.events])
    (rejected,) = [each for each in dead_letters if each.headers["qiki-dlq-reason"] == "REJECTED"]
    assert rejected.headers["qiki-dlq-detail"].startswith("code: 998 is not a known code")


async def test_events_of_any_type_are_recorded_as_documented_and_a_record_is_never_taken_for_its_duplicate(
    bus: Bus,
) -> None:
    url = f"nats://127.0.0.1:{bus.mesh.ports['nats']}"
    first, models = examples("events.md", "python")
    for _time in range(2):
        await asyncio.to_thread(
            subprocess.run, [sys.executable, "-c", first], env=os.environ | {"NATS_URL": url}, check=True, timeout=60
        )
    made = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", models], capture_output=True, text=True, check=True, timeout=60
    )
    event_id, _, body = made.stdout.partition(" ")
    ours = headers(ce_id=event_id, ce_datacontenttype="application/json") | {"Nats-Msg-Id": event_id}
    await bus.publish("qiki.events.v1.agent", body.encode(), ours)
    # Sent twice: one under a message id, which the stream drops, and one without, which the registrar recognises.
    await until(lambda: bus.intake("recorded") == 4, "four messages taken in")
    trail = await bus.trail()
    prove(FOREIGN_EVENT, trail)
    kept = [each.foreign_event for each in trail if each.name == "FOREIGN_EVENT"]
    assert [(each.id, each.type) for each in kept] == [
        ("python-1", "com.example.door.opened"),
        ("python-2", "com.example.door.closed"),
    ]
    assert [json.loads(each.data) for each in kept] == [{"door": 4}] * 2
    (agents,) = [each for each in trail if each.reporter == "my_agent"]
    assert agents.event_id == event_id
    records = await read_audit(bus.mesh)
    assert event_id in [each.headers["ce-id"] for each in records], "its message id was taken: it would be left out"
    assert [int(each.headers["ce-sequence"]) for each in records] == list(range(1, len(records) + 1))


async def test_a_strangers_message_on_the_audit_subject_is_reported_and_disturbs_nothing(bus: Bus) -> None:
    before = await read_audit(bus.mesh)
    forged = dict(before[-1].headers) | {"Nats-Msg-Id": "forged", "ce-id": str(uuid.uuid4())}
    forged["ce-sequence"] = f"{len(before) + 1:020}"
    copied = dict(before[2].headers) | {"Nats-Msg-Id": "copied"}
    strangers = [(b"junk", {"X-Odd": "1"}), (before[-1].data, forged), (before[2].data, copied)]
    for payload, its_headers in strangers:
        kept = {name: value for name, value in its_headers.items() if not name.startswith("Nats-Expected")}
        await bus.publish(AUDIT_SUBJECT, payload, kept)
        sent = event(f"after {its_headers.get('Nats-Msg-Id', 'junk')}")
        await bus.publish("qiki.events.v1.console", sent.SerializeToString(), headers())
    await until(lambda: bus.intake("recorded") == 3, "three messages taken in")
    await until(lambda: bus.intake("violations") == 2, "the forgeries are noticed; the copy is of a record")
    prove(SECURITY_VIOLATION, await bus.trail())
    ours = [each for each in await bus.bridged() if each.headers.get("Nats-Msg-Id") not in (None, "forged", "copied")]
    ours = [each for each in ours if "ce-id" in each.headers]
    assert [int(each.headers["ce-sequence"]) for each in ours] == list(range(1, len(ours) + 1)), "bus = log, 1 to n"
    assert [each.headers["ce-id"] for each in ours] == [each.event_id for each in await bus.trail()][: len(ours)]


async def test_a_process_that_is_killed_is_in_the_trail_and_what_it_had_reported_too(bus: Bus) -> None:
    pid = bus.mesh.endpoints()["radar"]["pid"]
    os.kill(int(pid), signal.SIGKILL)
    restarted = "the radar started again"
    await until(
        lambda: bus.mesh.endpoints()["radar"].get("pid", pid) != pid and bool(facts(bus.mesh, "radar")), restarted
    )
    os.kill(int(bus.mesh.endpoints()["radar"]["pid"]), signal.SIGTERM)
    async with asyncio.timeout(60):
        while not {"PROCESS_DIED", "SHUTDOWN"} <= {each.name for each in await bus.trail()}:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    trail = await bus.trail()
    prove(PROCESS_DIED, trail)
    prove(SHUTDOWN, trail)
    prove(BOOT_OK, trail)
    prove(NATS_CONNECTED, trail)
    (died, *_others) = [each for each in trail if each.name == "PROCESS_DIED"]
    assert {item.name: item.value for item in died.attributes}["process"] == "radar"
    assert "SIGKILL" in died.message


async def test_the_lag_of_the_durable_is_a_metric_and_returns_to_zero(bus: Bus) -> None:
    url = f"http://127.0.0.1:{bus.mesh.ports['bridge-http']}/metrics"
    wanted = 'qiki_jetstream_consumer_lag{consumer="registrar_intake",stream="QIKI_EVENTS_V1"} 0.0'
    await until(lambda: wanted in _get(url), "the lag is known and 0")


def _get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as answer:
        body: bytes = answer.read()
        return body.decode()

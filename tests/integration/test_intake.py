"""The intake: external events from the bus are recorded by the registrar, other messages are dead-lettered."""

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

from chain import chain, facts, until
from cli.local_mesh.mesh import Mesh
from qiki.registrar.v1.registrar_service_pb2 import AuditEvent, ListEventsRequest
from qiki.registrar.v1.registrar_service_pb2_grpc import RegistrarServiceStub
from qiki_sdk.audit_event import make_event
from qiki_sdk.channel import connect
from qiki_sdk.codes import ACCESS_REFUSED

pytestmark = pytest.mark.asyncio


@dataclass(frozen=True)
class Bus:
    """A running mesh and an independent client of the bus."""

    mesh: Mesh
    jetstream: JetStreamContext

    async def publish(self, subject: str, payload: bytes, headers: dict[str, str]) -> None:
        await self.jetstream.publish(subject, payload, headers=headers)

    async def recorded(self, message: str) -> list[AuditEvent]:
        async with connect(f"127.0.0.1:{self.mesh.ports['registrar']}") as channel:
            listed = await RegistrarServiceStub(channel).ListEvents(ListEventsRequest(page_size=1000), timeout=10)
        return [each.audit_event for each in listed.events if each.audit_event.message == message]

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
    return make_event("console", ACCESS_REFUSED, message)


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
        (b"x", headers(ce_type="com.example.Other"), "UNKNOWN_TYPE"),
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


async def test_the_lag_of_the_durable_is_a_metric_and_returns_to_zero(bus: Bus) -> None:
    url = f"http://127.0.0.1:{bus.mesh.ports['bridge-http']}/metrics"
    wanted = 'qiki_jetstream_consumer_lag{consumer="registrar_intake",stream="QIKI_EVENTS_V1"} 0.0'
    await until(lambda: wanted in _get(url), "the lag is known and 0")


def _get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as answer:
        body: bytes = answer.read()
        return body.decode()

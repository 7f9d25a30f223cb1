"""Alarms from the tracker to the bus and from the bus to the audit trail: each once."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from chain import RUN_ID, Stored, chain, facts, published_all, read_audit, read_subject, until
from qiki.registrar.v1.registrar_service_pb2 import AuditEvent, ListEventsRequest
from qiki.registrar.v1.registrar_service_pb2_grpc import RegistrarServiceStub
from qiki.tracker.v1.guard_pb2 import GuardEvent, GuardKind, GuardPhase
from qiki_sdk.channel import connect
from svc_sim.wiring import default_scenario

DURATION_S = 12.0
SUBJECT, STREAM = "qiki.events.v1.guard", "QIKI_EVENTS_V1"


@dataclass(frozen=True)
class Left:
    """The output of a run: alarms on the bus, recorded events, and the audit trail on the bus."""

    alarms: list[Stored]
    recorded: list[AuditEvent]
    audit: list[Stored]
    dead_lettered: int

    def recorded_alarms(self) -> list[AuditEvent]:
        return [event for event in self.recorded if any(each.name == "alarm_id" for each in event.attributes)]

    def guard_events(self) -> list[GuardEvent]:
        return [GuardEvent.FromString(message.data) for message in self.alarms]


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Left:
    directory: Path = tmp_path_factory.mktemp("guard")
    scenario = directory / "crossing.yaml"
    scenario.write_text(default_scenario().read_text().replace("duration_s: 120.0", f"duration_s: {DURATION_S}", 1))
    return asyncio.run(run(directory, scenario))


async def run(directory: Path, scenario: Path) -> Left:
    async with chain(directory, DURATION_S, scenario=scenario) as mesh:
        await until(lambda: published_all(mesh), "everything published")
        alarms = await read_subject(mesh.ports["nats"], SUBJECT, STREAM)

        def intake(name: str) -> int:
            found: dict[str, Any] = facts(mesh, "bridge").get("intake", {})
            return int(found.get(name, 0))

        await until(lambda: intake("recorded") >= len(alarms), "every alarm taken in")
        async with connect(f"127.0.0.1:{mesh.ports['registrar']}") as channel:
            listed = await RegistrarServiceStub(channel).ListEvents(ListEventsRequest(page_size=1000), timeout=10)
        return Left(
            alarms, [each.audit_event for each in listed.events], await read_audit(mesh), intake("dead_lettered")
        )


def test_spoofing_is_detected_and_published_on_the_bus(left: Left) -> None:
    raised = [event for event in left.guard_events() if event.phase == GuardPhase.GUARD_PHASE_RAISED]
    spoofing = [event for event in raised if event.kind == GuardKind.GUARD_KIND_SPOOFING_DETECTED]
    assert {event.track.transponder_id for event in spoofing} == {"QK-AIR-7"}


def test_alarms_have_the_same_metadata_as_other_events(left: Left) -> None:
    texts = [message.headers["ce-sequence"] for message in left.alarms]
    assert texts == [f"{number:020}" for number in range(1, len(texts) + 1)]
    for message, event in zip(left.alarms, left.guard_events(), strict=True):
        assert message.headers["ce-type"] == "qiki.tracker.v1.GuardEvent"
        assert message.headers["ce-source"] == f"/qiki/qiki-01/{RUN_ID}/guard"
        assert message.headers["ce-subject"] == event.rule


def test_every_alarm_is_recorded_once_and_there_are_no_dead_letters(left: Left) -> None:
    recorded = left.recorded_alarms()
    assert recorded
    assert len({event.event_id for event in recorded}) == len(recorded)
    for found, event in zip(recorded, left.guard_events(), strict=True):  # in order, each once
        assert (found.message, found.run_id, found.simulation_time) == (event.message, RUN_ID, event.time)
        attributes = {each.name: each.value for each in found.attributes}
        assert (attributes["rule"], attributes["alarm_id"]) == (event.rule, event.alarm_id)
    assert left.dead_lettered == 0


def test_the_audit_event_of_an_alarm_is_on_the_bus_and_is_not_recorded_again(left: Left) -> None:
    ids = [event.event_id for event in left.recorded_alarms()]
    on_the_bus = [message.headers["ce-id"] for message in left.audit if message.headers["ce-id"] in ids]
    assert on_the_bus == ids
    assert not {message.headers["ce-id"] for message in left.alarms} & set(on_the_bus)

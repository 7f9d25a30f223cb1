"""Each process is killed during a run, and JetStream holds the messages of an undisturbed run."""

import asyncio
import hashlib
import os
import signal
from dataclasses import dataclass
from pathlib import Path

import pytest

from chain import SUBJECTS, Stored, chain, facts, published_all, read_all, read_audit, run_to_the_end, until
from qiki.registrar.v1.registrar_service_pb2 import AuditEvent, ListEventsRequest
from qiki.registrar.v1.registrar_service_pb2_grpc import RegistrarServiceStub
from qiki_sdk.channel import connect

DURATION_S = 30.0
SERVICES = ("sim", "radar", "tracker", "registrar", "bridge")
KILLS_AT_TICKS = (
    ("radar", 40),
    ("bridge", 90),
    ("sim", 140),
    ("tracker", 190),
    ("registrar", 240),
    ("nats", 290),
    ("tracker", 340),
    ("radar", 390),
    ("sim", 440),
    ("bridge", 490),
)


@dataclass(frozen=True)
class Left:
    """The output of a run: the derived subjects, the audit trail on the bus, and the registrar's own list of it."""

    derived: dict[str, list[Stored]]
    bus: list[Stored]
    log: list[AuditEvent]


def digests(messages: list[Stored]) -> list[tuple[str, str, str]]:
    return [
        (message.headers["ce-id"], message.headers["ce-sequence"], hashlib.sha256(message.data).hexdigest())
        for message in messages
    ]


async def killed(directory: Path) -> Left:
    """Run at three times real time, and kill one process after another, each while events flow."""
    often = (("tracker", "checkpoint_period_s", "2"),)
    async with chain(directory, DURATION_S, speed="3", flow_control="lossless", settings=often) as mesh:
        for name, tick in KILLS_AT_TICKS:
            await until(lambda tick=tick: facts(mesh, "sim").get("tick", 0) >= tick, f"tick {tick}")  # type: ignore[misc]
            # On a busy machine the process killed before may still be on its way back; what others report of its death
            # is kept in memory until the registrar answers.
            await until(lambda: all(facts(mesh, each) for each in SERVICES), "every service answers")
            await until(lambda name=name: "pid" in mesh.endpoints()[name], f"{name} runs")  # type: ignore[misc]
            os.kill(int(mesh.endpoints()[name]["pid"]), signal.SIGKILL)
        await until(lambda: published_all(mesh), "everything published")
        bus = await read_audit(mesh)
        async with connect(f"127.0.0.1:{mesh.ports['registrar']}") as channel:
            listed = await RegistrarServiceStub(channel).ListEvents(ListEventsRequest(page_size=1000), timeout=10)
        return Left(await read_all(mesh), bus, [each.audit_event for each in listed.events])


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Left:
    return asyncio.run(killed(tmp_path_factory.mktemp("killed")))


def test_the_derived_subjects_equal_those_of_an_undisturbed_run(left: Left, tmp_path: Path) -> None:
    calm = asyncio.run(run_to_the_end(tmp_path, DURATION_S))
    for subject in SUBJECTS:
        assert digests(left.derived[subject]) == digests(calm[subject])
        sequences = [int(message.headers["ce-sequence"]) for message in left.derived[subject]]
        assert sequences == list(range(1, len(calm[subject]) + 1))


def test_every_recorded_event_is_on_the_bus_once_and_in_order(left: Left) -> None:
    on_bus = [AuditEvent.FromString(message.data) for message in left.bus]
    assert on_bus[: len(left.log)] == left.log
    assert [int(message.headers["ce-sequence"]) for message in left.bus] == list(range(1, len(left.bus) + 1))


def test_the_audit_trail_reports_the_kills(left: Left) -> None:
    names = [event.name for event in left.log]
    booted = {event.reporter for event in left.log if event.name == "BOOT_OK"}
    assert booted == {"svc_sim", "svc_radar", "svc_tracker", "svc_registrar", "bridge", "archive"}
    assert names.count("RUN_BEGUN") == 1
    assert names.count("RUN_RESUMED") == 2
    assert names.count("SENSOR_IO_OK") == names.count("FRAMES_FLOWING") == names.count("TRACKS_FLOWING") == 1
    assert {"NATS_CONNECTED", "NATS_LOST", "RUN_ENDED"} <= set(names)

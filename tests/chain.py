"""The real chain as processes, from nats-server to bridge, and its messages in JetStream, read by nats-py alone."""

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import nats

from cli.local_mesh.mesh import Mesh, open_mesh
from cli.local_mesh.options import MeshOptions
from cli.local_mesh.ports import choose_ports
from qiki.registrar.v1.registrar_service_pb2 import AuditEvent, ListEventsRequest
from qiki.registrar.v1.registrar_service_pb2_grpc import RegistrarServiceStub
from qiki_sdk.channel import connect

RUN_ID = "11111111-2222-4333-8444-555555555555"
START_TIME = "2026-01-01T00:00:00Z"
SUBJECTS = {
    "qiki.sim.v1.world": "QIKI_SIM_V1",
    "qiki.sim.v1.sensors": "QIKI_SIM_V1",
    "qiki.radar.v1.frames": "QIKI_RADAR_V1",
    "qiki.radar.v1.tracks": "QIKI_RADAR_V1",
    "qiki.events.v1.guard": "QIKI_EVENTS_V1",
}
# Channels that never end: what happens is recorded as long as their service runs.
RECORDED = ("audit", "commands")
AUDIT_SUBJECT, AUDIT_STREAM = "qiki.events.v1.audit", "QIKI_EVENTS_V1"
WAIT_S = 120.0
POLL_S = 0.1

SCENARIO = """
schema_version: 1
name: short
duration_s: {duration_s}
own_ship: {{position_m: [0, 0, 0], course_deg: 45, speed_mps: 10}}
contacts:
  - name: straight
    object_type: aircraft
    position_m: [5000, 2000, 900]
    course_deg: 270
    speed_mps: 120
    rcs_dbsm: 10
    transponder: {{mode: "on", id: QK-1}}
  - name: turning
    object_type: drone
    position_m: [-3000, 4000, 300]
    course_deg: 90
    speed_mps: 60
    rcs_dbsm: 0
    transponder: {{mode: silent}}
    legs:
      - {{duration_s: 2, turn_rate_dps: 0}}
      - {{duration_s: 3, turn_rate_dps: 5}}
"""


@dataclass(frozen=True)
class Stored:
    """One message as stored in JetStream."""

    sequence: int
    headers: dict[str, str]
    data: bytes


def write_scenario(directory: Path, duration_s: float) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "scenario.yaml"
    path.write_text(SCENARIO.format(duration_s=duration_s))
    return path


@asynccontextmanager
async def chain(
    directory: Path, duration_s: float, say: Callable[[str], None] = lambda _line: None, **options: Any
) -> AsyncIterator[Mesh]:
    """Run the chain on a short scenario, by default lossless and as fast as possible."""
    chosen = MeshOptions(
        state_dir=directory / "state",
        scenario=write_scenario(directory, duration_s),
        speed="max",
        flow_control="lossless",
        run_id=RUN_ID,
        start_time=START_TIME,
        seed=7,
    )
    chosen = replace(chosen, **options)
    async with open_mesh(chosen, choose_ports({}, free=True, trace=chosen.trace), say) as mesh:
        yield mesh


def facts(mesh: Mesh, service: str) -> dict[str, Any]:
    """Return the facts on a service's `/healthz`; empty while it does not answer."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{mesh.ports[f'{service}-http']}/healthz", timeout=5) as answer:
            body = answer.read()
    except urllib.error.HTTPError as error:  # 503: NOT_SERVING, with the facts all the same
        body = error.read()
    except OSError:
        return {}
    found: dict[str, Any] = json.loads(body)["facts"]
    return found


async def recorded_events(mesh: Mesh, name: str, reporter: str) -> list[AuditEvent]:
    """Return the events of this name and reporter that the registrar has recorded so far."""
    async with connect(f"127.0.0.1:{mesh.ports['registrar']}") as channel:
        page = await RegistrarServiceStub(channel).ListEvents(ListEventsRequest(page_size=1000), timeout=10)
    events = [each.audit_event for each in page.events]
    return [event for event in events if (event.name, event.reporter) == (name, reporter)]


async def until(holds: Callable[[], bool], what: str) -> None:
    """Wait until the condition holds; poll it, because the services report their state over HTTP only."""
    try:
        async with asyncio.timeout(WAIT_S):
            while not await asyncio.to_thread(holds):  # noqa: ASYNC110 (another process sets no event of ours)
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        raise AssertionError(f"not within {WAIT_S} s: {what}") from None


def published_all(mesh: Mesh) -> bool:
    """Return whether the bridge has published every channel to the run's end."""
    channels = facts(mesh, "bridge").get("channels", {})
    derived = [channel for name, channel in channels.items() if name not in RECORDED]
    return bool(derived) and all(channel["ended"] for channel in derived)


async def read_subject(port: int, subject: str, stream: str) -> list[Stored]:
    """Return every message of a subject, in order."""
    client = await nats.connect(f"nats://127.0.0.1:{port}")
    try:
        context = client.jetstream()
        last = (await context.stream_info(stream, subjects_filter=subject)).state
        count = (last.subjects or {}).get(subject, 0)
        subscription = await context.subscribe(subject, stream=stream, ordered_consumer=True)
        found = []
        for _ in range(count):
            message = await subscription.next_msg(timeout=10)
            found.append(Stored(message.metadata.sequence.stream, dict(message.headers or {}), message.data))
        return found
    finally:
        await client.close()


async def read_all(mesh: Mesh) -> dict[str, list[Stored]]:
    """Return every message of every bridged subject."""
    return {subject: await read_subject(mesh.ports["nats"], subject, stream) for subject, stream in SUBJECTS.items()}


async def read_audit(mesh: Mesh) -> list[Stored]:
    """Return the messages of the audit trail's subject once it holds as many events as the registrar's log."""

    def carried() -> bool:
        at = facts(mesh, "bridge").get("channels", {}).get("audit", {}).get("sequence", -1)
        return bool(at == facts(mesh, "registrar").get("last_sequence"))

    await until(carried, "the audit trail carried to its end")
    return await read_subject(mesh.ports["nats"], AUDIT_SUBJECT, AUDIT_STREAM)


async def run_to_the_end(directory: Path, duration_s: float, **options: Any) -> dict[str, list[Stored]]:
    """Run the chain to the end of its scenario and return the messages in JetStream."""
    async with chain(directory, duration_s, **options) as mesh:
        await until(lambda: published_all(mesh), "everything published")
        return await read_all(mesh)

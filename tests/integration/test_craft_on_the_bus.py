"""A craft on the bus: its own feeds and the life of its commands, and the same run again from its command journal."""

import uuid
from pathlib import Path

import pytest

from botspec.example import example_bots
from chain import RECORDED, Stored, chain, facts, published_all, read_audit, read_subject, until
from cli.local_mesh.mesh import Mesh
from code_proofs import prove
from qiki.common.v1.geometry_pb2 import Vector3d
from qiki.registrar.v1.registrar_service_pb2 import AuditEvent
from qiki.sim.v1 import sim_service_pb2 as pb
from qiki.sim.v1.commands_pb2 import Command, CommandEvent, CommandStage, FireThruster, SetVelocity
from qiki.sim.v1.sim_service_pb2_grpc import SimServiceStub
from qiki.sim.v1.subsystems_pb2 import EnergyStatus
from qiki_sdk.channel import connect
from qiki_sdk.codes import COMMAND_ABORTED, COMMAND_COMPLETED

DURATION_S = 6.0
BOT_SPEC = example_bots()["inspection-craft"]
OWN = dict.fromkeys(("world", "sensors", "energy", "shield", "nav"), "QIKI_SIM_V1")
LIFE = "qiki.sim.v1.commands_log"
PLAN = (
    Command(tick=10, fire_thruster=FireThruster(thruster="thruster-x-plus-1", thrust_n=50.0, duration_s=1.0)),
    Command(tick=60, set_velocity=SetVelocity(velocity=Vector3d(x=1.0, y=1.0), timeout_s=2.0)),
)
ACCEPTED, COMPLETED, ABORTED = (
    CommandStage.COMMAND_STAGE_ACCEPTED,
    CommandStage.COMMAND_STAGE_COMPLETED,
    CommandStage.COMMAND_STAGE_ABORTED,
)
Sent = dict[str, list[Stored]]


async def flown(directory: Path, *, command: bool, **settings: str) -> Sent:
    """Run to the end, with commands before the first tick; return the messages of the simulator's subjects."""
    given = (("sim", "PAUSED", "true"), *(("sim", name.upper(), value) for name, value in settings.items()))
    async with chain(directory, DURATION_S, bot_spec=BOT_SPEC, settings=given) as mesh:
        async with connect(f"127.0.0.1:{mesh.ports['sim']}") as channel:
            sim = SimServiceStub(channel)
            for number, planned in enumerate(PLAN if command else ()):
                planned.command_id = str(uuid.UUID(int=number + 1, version=4))
                await sim.ExecuteCommand(pb.ExecuteCommandRequest(command=planned), timeout=10)
            await sim.ResumeSimulation(pb.ResumeSimulationRequest(), timeout=10)
        await until(lambda: published_all(mesh), "everything published")
        await until(lambda: _carried(mesh) >= 2 * len(PLAN), "the life of the commands carried")
        found = {name: await read_subject(mesh.ports["nats"], f"qiki.sim.v1.{name}", OWN[name]) for name in OWN}
        commands = await read_subject(mesh.ports["nats"], LIFE, "QIKI_SIM_V1")
        return {**found, "commands": commands, "audit": await read_audit(mesh)}


def _carried(mesh: Mesh) -> int:
    return int(facts(mesh, "bridge").get("channels", {}).get("commands", {}).get("sequence", 0))


@pytest.mark.asyncio
async def test_a_crafts_feeds_are_on_the_bus_and_its_journal_gives_the_same_run_again(tmp_path: Path) -> None:
    assert "commands" in RECORDED
    first = await flown(tmp_path / "first", command=True)
    journal = tmp_path / "first" / "state" / "sim" / "commands.journal"
    again = await flown(tmp_path / "again", command=False, journal=str(journal))
    for name in OWN:
        assert [each.data for each in again[name]] == [each.data for each in first[name]], name
    life = [CommandEvent.FromString(each.data) for each in first["commands"]]
    assert [event.stage for event in life] == [ACCEPTED, ACCEPTED, COMPLETED, ABORTED]
    trail = [AuditEvent.FromString(each.data) for each in first["audit"]]
    prove(COMMAND_COMPLETED, trail)
    prove(COMMAND_ABORTED, trail)
    assert [event.effect.impulse_ns for event in life[2:]] == [pytest.approx(50.0), 0.0]
    assert [each.headers["ce-sequence"].lstrip("0") for each in first["commands"]] == ["1", "2", "3", "4"]
    assert [(each.headers["ce-id"], each.data) for each in again["commands"]] == [
        (each.headers["ce-id"], each.data) for each in first["commands"]
    ]
    energy = [EnergyStatus.FromString(each.data) for each in first["energy"]]
    assert [status.tick for status in energy] == [20, 40, 60, 80, 100, 120]
    assert energy[-1].propellant_kg < energy[0].propellant_kg < 30.0

"""Audit events of the craft: one for each kind of transition, the same again when a tick is computed again."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

import svc_sim.wiring
from code_proofs import prove, waiting
from craft_bot import BOT_SPEC, Flight
from mesh.serving.health import Health
from mesh.serving.runtime import ServiceContext
from mesh.tasks import task_group
from mesh.telemetry.telemetry import Telemetry
from qiki.common.v1.stream_pb2 import Run
from qiki.sim.v1 import commands_pb2
from qiki.sim.v1 import sim_service_pb2 as pb
from qiki_sdk import codes
from qiki_sdk.audit import AuditReporter
from qiki_sdk.codes import Code
from svc_sim.config import SimSettings
from svc_sim.craft.reports import report_transitions
from svc_sim.domain.craft.orders import CraftMode, FireThruster, SetMode
from svc_sim.domain.craft.transitions import Transition, TransitionKind

RUN = Run(run_id="7b6f0a3e-2f5c-4f0e-9c41-3a8d2f1e5b00", tick_ns=50_000_000, start_time=Timestamp(seconds=1_000))
CAUSE = f"00-{1:032x}-{1:016x}-01"


class Reports(AuditReporter):
    """A reporter whose events can be looked at."""

    def __init__(self) -> None:
        super().__init__("", "svc_sim")
        self.events: list[tuple[str, str, dict[str, Any]]] = []

    def report(self, code: Code, message: str = "", **given: Any) -> str:
        event_id = super().report(code, message, **given)
        self.events.append((code.name, event_id, given))
        return event_id


def test_every_kind_of_transition_has_a_code_and_a_repeated_report_is_the_same_event() -> None:
    reports = Reports()
    transitions = [Transition(kind, "part", "detail") for kind in TransitionKind]
    for _ in range(2):
        report_transitions(reports, RUN, 40, transitions, CAUSE)
    first, again = reports.events[: len(transitions)], reports.events[len(transitions) :]
    assert [(name, event_id) for name, event_id, _given in first] == [(name, each) for name, each, _given in again]
    assert len({event_id for _name, event_id, _given in first}) == len(TransitionKind)
    given = first[0][2]
    assert (given["tick"], given["component"], given["detail"], given["traceparent"]) == (40, "part", "detail", CAUSE)
    assert given["simulation_time"].ToJsonString() == "1970-01-01T00:16:42Z"


def test_the_same_transition_at_another_tick_or_of_another_component_is_another_event() -> None:
    reports = Reports()
    for tick, part in ((1, "a"), (2, "a"), (2, "b")):
        report_transitions(reports, RUN, tick, [Transition(TransitionKind.LOAD_SHED, part)], CAUSE)
    assert len({event_id for _name, event_id, _given in reports.events}) == 3


def reported(flight: Flight) -> AuditReporter:
    """Report the transitions of a flight so far, as the simulator does."""
    audit = AuditReporter("", "svc_sim")
    for tick, transition in flight.transitions:
        report_transitions(audit, RUN, tick, [transition], CAUSE)
    return audit


def test_a_change_of_mode_and_an_empty_tank_reach_the_trail() -> None:
    flight = Flight().with_propellant(0.01)
    flight.run(30, SetMode(CraftMode.DRIFT), FireThruster("thruster-x-plus-1", 100.0, 20))
    prove(codes.MODE_CHANGED, waiting(reported(flight)))
    prove(codes.TANK_EMPTY, waiting(reported(flight)))


def test_shed_and_restored_loads_and_a_brown_out_reach_the_trail() -> None:
    parameters = Flight().parameters
    assert parameters.power is not None
    flight = Flight(replace(parameters, power=replace(parameters.power, generator_w=0.0))).with_charge(0.0)
    flight.run(2)
    flight.with_charge(0.9).run(2)
    events = waiting(reported(flight))
    prove(codes.LOAD_SHED, events)
    prove(codes.BROWN_OUT, events)
    prove(codes.POWER_RESTORED, events)
    prove(codes.LOAD_RESTORED, events)


def test_a_trip_and_a_recovery_of_a_thermal_node_reach_the_trail() -> None:
    flight = Flight()
    for temperature_k in (360.0, 300.0):
        thermal = flight.state.thermal
        assert thermal is not None
        hot = replace(thermal, temperatures_k=(temperature_k, *thermal.temperatures_k[1:]))
        flight.state = replace(flight.state, thermal=hot)
        flight.run(2)
    prove(codes.THERMAL_TRIPPED, waiting(reported(flight)))
    prove(codes.THERMAL_RECOVERED, waiting(reported(flight)))


@pytest.mark.asyncio
async def test_a_completed_and_an_aborted_command_reach_the_trail(tmp_path: Path) -> None:
    no_context: Any = None
    audit = AuditReporter("", "svc_sim")
    base = ServiceContext(Health("svc_sim", stall_s=60.0), Telemetry("svc_sim"), audit)
    with base.resources:
        parts = svc_sim.wiring.build(SimSettings(state_dir=tmp_path, paused=True, bot_spec=BOT_SPEC), base)
        servicer: Any = parts.mounts[0].servicer
        life = next(feed for feed in parts.feeds if feed.name == "commands")
        drift = commands_pb2.Command(set_mode=commands_pb2.SetMode(mode=commands_pb2.CraftMode.CRAFT_MODE_DRIFT))
        speed = commands_pb2.Command(set_velocity=commands_pb2.SetVelocity())
        async with task_group() as group, asyncio.timeout(20):
            tasks = [group.create_task(_run(loop)) for loop in parts.loops]
            for number, command in enumerate((drift, speed)):
                command.command_id = f"00000000-0000-4000-8000-{number:012}"
                await servicer.ExecuteCommand(pb.ExecuteCommandRequest(command=command), no_context)
            await servicer.StepSimulation(pb.StepSimulationRequest(ticks=2), no_context)
            while life.store.last_sequence < 4:
                await life.change.wait(0.05)
            await servicer.StepSimulation(pb.StepSimulationRequest(ticks=1), no_context)
            for task in tasks:
                task.cancel()
    prove(codes.COMMAND_COMPLETED, waiting(audit))
    prove(codes.COMMAND_ABORTED, waiting(audit))


async def _run(loop: Any) -> None:
    await loop()

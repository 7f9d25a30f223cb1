"""Audit events of the craft: one for each kind of transition, the same again when a tick is computed again."""

from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from code_proofs import prove, waiting
from qiki.common.v1.stream_pb2 import Run
from qiki_sdk.audit import AuditReporter
from qiki_sdk.codes import (
    BROWN_OUT,
    LOAD_RESTORED,
    LOAD_SHED,
    MODE_CHANGED,
    POWER_RESTORED,
    TANK_EMPTY,
    THERMAL_RECOVERED,
    THERMAL_TRIPPED,
    Code,
)
from svc_sim.craft_reports import report_transitions
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


def test_every_code_of_the_crafts_transitions_is_reached() -> None:
    reports = Reports()
    report_transitions(reports, RUN, 40, [Transition(kind, "part", "detail") for kind in TransitionKind], CAUSE)
    reported = waiting(reports)
    prove(MODE_CHANGED, reported)
    prove(TANK_EMPTY, reported)
    prove(BROWN_OUT, reported)
    prove(POWER_RESTORED, reported)
    prove(LOAD_SHED, reported)
    prove(LOAD_RESTORED, reported)
    prove(THERMAL_TRIPPED, reported)
    prove(THERMAL_RECOVERED, reported)

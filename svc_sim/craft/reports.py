"""Audit events of the craft's transitions."""

from collections.abc import Iterable, Mapping
from typing import Final

from mesh.clock import SimulationClock
from qiki.common.v1.stream_pb2 import Run
from qiki_sdk import codes
from qiki_sdk.audit import AuditReporter
from qiki_sdk.codes import Code
from svc_sim.domain.craft.transitions import Transition, TransitionKind

_CODES: Final[Mapping[TransitionKind, Code]] = {
    TransitionKind.MODE_CHANGED: codes.MODE_CHANGED,
    TransitionKind.BROWN_OUT: codes.BROWN_OUT,
    TransitionKind.POWER_RESTORED: codes.POWER_RESTORED,
    TransitionKind.LOAD_SHED: codes.LOAD_SHED,
    TransitionKind.LOAD_RESTORED: codes.LOAD_RESTORED,
    TransitionKind.THERMAL_TRIPPED: codes.THERMAL_TRIPPED,
    TransitionKind.THERMAL_RECOVERED: codes.THERMAL_RECOVERED,
    TransitionKind.TANK_EMPTY: codes.TANK_EMPTY,
    TransitionKind.SENSOR_FAILED: codes.SENSOR_IO_FAILED,
    TransitionKind.SENSOR_RESTORED: codes.SENSOR_IO_RESTORED,
}


def report_transitions(
    audit: AuditReporter, run: Run, tick: int, transitions: Iterable[Transition], cause: str
) -> None:
    """Report the transitions of a tick; the keys make repeated reports the same events. `cause` is the tick's trace."""
    for each in transitions:
        code = _CODES[each.kind]
        attributes = {name: value for name, value in (("component", each.component), ("detail", each.detail)) if value}
        audit.report(
            code,
            simulation_time=SimulationClock.of(run).timestamp(tick),
            run_id=run.run_id,
            key=f"{code.name}/{each.component}/{tick}",
            traceparent=cause,
            tick=tick,
            **attributes,
        )

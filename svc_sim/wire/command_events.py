"""Wire form of the life of a command: its events from the journal's records, and the record of its end. Pure."""

from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from mesh.clock import SimulationClock
from qiki.sim.v1 import commands_pb2 as pb
from svc_sim.domain.craft.orders import AbortReason, Effect, Ending

SCHEMA_VERSION = 1

ABORT_REASONS: Final = {reason: pb.AbortReason.Value(f"ABORT_REASON_{reason.name}") for reason in AbortReason}
_STAGES: Final = {
    pb.CommandOutcome.COMMAND_OUTCOME_APPLIED: pb.CommandStage.COMMAND_STAGE_ACCEPTED,
    pb.CommandOutcome.COMMAND_OUTCOME_REFUSED: pb.CommandStage.COMMAND_STAGE_REFUSED,
}


def to_event(record: pb.CommandRecord, clock: SimulationClock) -> pb.CommandEvent:
    """Return the event of a record of the journal."""
    if record.HasField("ending"):
        return _of_ending(record.ending, clock)
    result = record.result
    event = pb.CommandEvent(
        schema_version=SCHEMA_VERSION,
        command_id=result.command_id,
        stage=_STAGES.get(result.outcome, pb.CommandStage.COMMAND_STAGE_UNSPECIFIED),
        tick=result.tick,
        field=result.field,
        message=result.message,
        command=record.command,
    )
    if result.HasField("time"):
        event.time.CopyFrom(result.time)
    return event


def to_record(ending: Ending, recorded_time: Timestamp) -> pb.CommandRecord:
    """Return the journal's record of the end of a command."""
    completed, aborted = pb.CommandStage.COMMAND_STAGE_COMPLETED, pb.CommandStage.COMMAND_STAGE_ABORTED
    return pb.CommandRecord(
        ending=pb.CommandEnding(
            command_id=ending.command_id,
            stage=completed if ending.aborted is None else aborted,
            tick=ending.tick,
            reason=pb.AbortReason.ABORT_REASON_UNSPECIFIED if ending.aborted is None else ABORT_REASONS[ending.aborted],
            message=ending.message,
            effect=_to_effect(ending.effect),
        ),
        recorded_time=recorded_time,
    )


def _of_ending(ending: pb.CommandEnding, clock: SimulationClock) -> pb.CommandEvent:
    return pb.CommandEvent(
        schema_version=SCHEMA_VERSION,
        command_id=ending.command_id,
        stage=ending.stage,
        tick=ending.tick,
        time=clock.timestamp(ending.tick),
        message=ending.message,
        reason=ending.reason,
        effect=ending.effect,
    )


def _to_effect(effect: Effect) -> pb.CommandEffect:
    return pb.CommandEffect(
        ticks=effect.ticks,
        impulse_ns=effect.impulse_ns,
        propellant_kg=effect.propellant_kg,
        delta_v_mps=effect.delta_v_mps,
        attitude_error_rad=effect.attitude_error_rad,
        velocity_error_mps=effect.velocity_error_mps,
    )

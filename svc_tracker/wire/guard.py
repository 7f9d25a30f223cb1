"""Conversion of the guard's events to messages."""

import uuid

from mesh.clock import to_timestamp
from qiki.radar.v1.radar_pb2 import RadarFrame
from qiki.radar.v1.track_pb2 import RadarTrack, SpoofEvidence
from qiki.tracker.v1 import guard_pb2
from qiki_sdk.stream import Event
from svc_tracker.domain.guard.guard import NS_PER_S, GuardEvent, GuardPhase
from svc_tracker.domain.guard.rules import GuardInput, GuardKind
from svc_tracker.domain.state.tracks import TrackStatus

SCHEMA_VERSION = 1


def to_guard_event(
    event: GuardEvent, guard_input: GuardInput, track: RadarTrack, cause: Event[RadarFrame]
) -> guard_pb2.GuardEvent:
    """Return the message of an event; `cause` is its frame, `track` the event's track."""
    frame, now_ns = cause.payload, guard_input.table.time_ns
    return guard_pb2.GuardEvent(
        schema_version=SCHEMA_VERSION,
        rule=event.rule.name,
        kind=int(event.rule.kind),  # type: ignore[arg-type]  # the numbers are the wire's
        phase=int(event.phase),  # type: ignore[arg-type]
        alarm_id=alarm_id(cause.context.run_id, event),
        track_id=track.track_id,
        frame_id=frame.frame_id,
        frame_sequence=cause.context.sequence,
        time=to_timestamp(now_ns),
        track=track,
        held_s=(now_ns - event.since_ns) / NS_PER_S,
        message=_message(event, guard_input, track),
        severity=event.rule.severity,  # type: ignore[arg-type]
    )


def alarm_id(run_id: str, event: GuardEvent) -> str:
    """Return the alarm's id: a UUID, in the run, of its rule, its track and the time at which it was raised."""
    return str(uuid.uuid5(uuid.UUID(run_id), f"alarms/{event.rule.name}/{event.number}/{event.raised_ns}"))


def _message(event: GuardEvent, guard_input: GuardInput, track: RadarTrack) -> str:
    who = f"{event.rule.name}: {_name(track)}"
    if event.phase is GuardPhase.RAISED:
        return f"{who} {_what(event, guard_input, track)}"
    lost = guard_input.table.records.status[event.row] == TrackStatus.LOST
    return f"{who} was lost" if lost else f"{who} is no reason for alarm any more"


def _name(track: RadarTrack) -> str:
    short = f"track {track.track_id.value[:8]}"
    return f"{track.transponder_id} ({short})" if track.transponder_id else short


def _what(event: GuardEvent, guard_input: GuardInput, track: RadarTrack) -> str:
    match event.rule.kind:
        case GuardKind.UNKNOWN_CONTACT_CLOSE:
            return f"is not known, and {track.range_m:.0f} m away"
        case GuardKind.FOE_TRANSPONDER_OFF_APPROACH:
            return f"is a foe that does not answer, {track.range_m:.0f} m away, closing at {-track.vr_mps:.0f} m/s"
        case GuardKind.SPOOFING_DETECTED:
            names = [SpoofEvidence.Name(each).removeprefix("SPOOF_EVIDENCE_") for each in track.spoof_evidence]
            return f"answers with an identity that is held to be false: {', '.join(names)}"
        case GuardKind.CLOSEST_POINT_OF_APPROACH:
            closest, row = guard_input.closest, event.row
            distance = f"{closest.distance_m[row]:.0f} m (sigma {closest.distance_sigma_m[row]:.0f} m)"
            return f"comes as near as {distance} in {closest.time_s[row]:.0f} s"

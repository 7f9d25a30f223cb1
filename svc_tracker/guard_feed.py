"""The guard on its feed: tables of tracks in, alarms raised and cleared out, one event each, all of them reported."""

from collections.abc import Sequence
from dataclasses import dataclass

from mesh.feeds.event_spans import Made
from mesh.feeds.feed import Feed
from mesh.guard_reports import to_report
from qiki.radar.v1.radar_pb2 import RadarFrame
from qiki.radar.v1.track_pb2 import TrackSet
from qiki.tracker.v1.guard_pb2 import GuardEvent
from qiki_sdk.audit import AuditReporter
from qiki_sdk.stream import Event
from svc_tracker.domain.frame import Frame
from svc_tracker.domain.guard.closest_approach import closest_approach
from svc_tracker.domain.guard.guard import Guard
from svc_tracker.domain.guard.relative import relative
from svc_tracker.domain.guard.rules import GuardInput
from svc_tracker.domain.table import TrackTable
from svc_tracker.wire.guard import to_guard_event


@dataclass(frozen=True, slots=True)
class GuardAlarm:
    """A guard event, and the event of the feed that it is made into."""

    event: GuardEvent
    made: Made


class GuardFeed:
    """Makes feed events from a guard's events for one run's tracks; `sequence` is that of the last one added.

    Each event added is also reported to the registrar, so that alarms are recorded without NATS, too.
    """

    def __init__(self, guard: Guard, feed: Feed, sequence: int, audit: AuditReporter) -> None:
        self.guard = guard
        self._feed = feed
        self.sequence = sequence
        self._audit = audit

    def make(
        self, event: Event[RadarFrame], seen: Frame, table: TrackTable, track_sets: Sequence[TrackSet], began_ns: int
    ) -> list[GuardAlarm]:
        """Return the events of this frame; `seen` is the domain's frame, `track_sets` the track sets made from it.

        The guard has taken its step; no event is added to the feed yet.
        """
        return [
            GuardAlarm(
                each,
                self._feed.make(
                    each,
                    sequence=self.sequence + number,
                    time_ns=table.time_ns,
                    tick=event.payload.tick,
                    subject=each.rule,
                    cause=event.context.traceparent,
                    began_ns=began_ns,
                    notes=[("alarm", {"qiki.track_id": each.track_id.value, "qiki.alarm_id": each.alarm_id})],
                ),
            )
            for number, each in enumerate(guard_events(self.guard, event, seen, table, track_sets), start=1)
        ]

    def add(self, alarms: Sequence[GuardAlarm]) -> None:
        """Add the events that `make` returned, and report them."""
        for alarm in alarms:
            made = alarm.made
            self._feed.add(made)
            self._audit.submit(to_report(alarm.event, made.event_id, made.run_id, made.traceparent))
        self.sequence += len(alarms)


def guard_events(
    guard: Guard, event: Event[RadarFrame], seen: Frame, table: TrackTable, track_sets: Sequence[TrackSet]
) -> list[GuardEvent]:
    """Return the alarms that the guard raises and clears with this frame, as messages and in their order."""
    guard_input = to_guard_input(table, seen)
    happened = guard.step(guard_input)
    tracks = [track for track_set in track_sets for track in track_set.tracks] if happened else []
    return [to_guard_event(each, guard_input, tracks[each.row], event) for each in happened]


def to_guard_input(table: TrackTable, seen: Frame) -> GuardInput:
    """Return the tracks relative to the own ship, at the position of the frame's sensor."""
    position_m, velocity_mps = seen.sensor_position_m, seen.sensor_velocity_mps
    return GuardInput(
        table,
        relative(table, position_m, velocity_mps),
        closest_approach(table.position_m, table.velocity_mps, table.covariance, position_m, velocity_mps),
    )

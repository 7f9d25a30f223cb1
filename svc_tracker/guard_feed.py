"""The guard on its feed: tables of tracks in, alarms raised and cleared out, one event each."""

from collections.abc import Sequence

from mesh.feed import Feed
from qiki.radar.v1.radar_pb2 import RadarFrame
from qiki.radar.v1.track_pb2 import TrackSet
from qiki_sdk.stream import Event
from svc_tracker.domain.closest_approach import closest_approach
from svc_tracker.domain.frame import Frame
from svc_tracker.domain.guard import Guard
from svc_tracker.domain.guard_rules import Situation
from svc_tracker.domain.relative import relative
from svc_tracker.domain.table import TrackTable
from svc_tracker.guard_wire import to_guard_event


class GuardFeed:
    """Appends to a feed what a guard tells of one run's tracks; `sequence` is that of the last event."""

    def __init__(self, guard: Guard, feed: Feed, sequence: int) -> None:
        self._guard = guard
        self._feed = feed
        self.sequence = sequence

    def take(
        self, event: Event[RadarFrame], seen: Frame, table: TrackTable, track_sets: Sequence[TrackSet], began_ns: int
    ) -> None:
        """Append what happened with this frame, of which `seen` is the domain's and `track_sets` what came of it."""
        situation = situation_of(table, seen)
        happened = self._guard.step(situation)
        if not happened:
            return
        tracks = [track for track_set in track_sets for track in track_set.tracks]
        for each in happened:
            self.sequence += 1
            self._feed.append(
                to_guard_event(each, situation, tracks[each.row], event),
                sequence=self.sequence,
                time_ns=table.time_ns,
                tick=event.payload.tick,
                subject=each.rule.name,
                cause=event.context.traceparent,
                began_ns=began_ns,
            )

    def snapshot(self) -> bytes:
        """Return the guard's state."""
        return self._guard.snapshot()


def situation_of(table: TrackTable, seen: Frame) -> Situation:
    """Return the tracks and how they are to the own ship, which is where the frame's sensor is."""
    position_m, velocity_mps = seen.sensor_position_m, seen.sensor_velocity_mps
    return Situation(
        table,
        relative(table, position_m, velocity_mps),
        closest_approach(table.position_m, table.velocity_mps, table.covariance, position_m, velocity_mps),
    )

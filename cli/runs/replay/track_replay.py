"""Replay of the tracker: one run's radar frames folded again, as in the service, into tracks and alarms."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from mesh.folds.quarantine import NOT_QUARANTINED
from qiki.common.v1.stream_pb2 import EventContext
from qiki.radar.v1.radar_pb2 import RadarFrame
from qiki.radar.v1.track_pb2 import TrackSet
from qiki.tracker.v1.guard_pb2 import GuardEvent
from qiki_sdk.stream import Event
from svc_tracker import wire
from svc_tracker.config import Rules
from svc_tracker.domain.frame import FrameError
from svc_tracker.domain.guard.guard import Guard
from svc_tracker.domain.tracker import Tracker
from svc_tracker.guard_feed import guard_events


class LeftOutError(Exception):
    """A frame for which the tracker has no output, in every replay as in the run itself."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """The events computed from one frame on both of the tracker's feeds, in order."""

    track_sets: Sequence[TrackSet]
    guard_events: Sequence[GuardEvent]


class TrackReplay:
    """The tracker's fold without its feeds: it takes every frame of the run, from the first on, in order."""

    def __init__(self, run_id: str, rules: Rules) -> None:
        self._ids = wire.TrackIds(uuid.UUID(run_id))
        self._tracker = Tracker(rules.model, rules.identity)
        self._guard = Guard(rules.guard)

    def step(self, frame: RadarFrame, context: EventContext) -> Replayed:
        """Return the output of the run's next frame.

        Raises:
            LeftOutError: the tracker refuses the frame, or fails on it; its state is then unchanged.
        """
        before = self._tracker.state, self._guard.state
        try:
            seen = wire.to_frame(frame)
            table = self._tracker.step(seen)
            track_sets = wire.to_track_sets(table, frame, context.sequence, self._ids)
            alarms = guard_events(self._guard, Event(frame, context, ""), seen, table, track_sets)
        except NOT_QUARANTINED:
            raise
        except FrameError as error:
            raise LeftOutError(str(error)) from error
        except Exception as error:
            self._tracker.state, self._guard.state = before
            raise LeftOutError(f"{type(error).__name__}: {error}") from error
        return Replayed(track_sets, alarms)

"""Tracks of a run over time: the number, the lifetimes and the trails of those in its sets of tracks."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import mean, median
from typing import Final

from mesh.clock import NS_PER_S
from qiki.radar.v1.track_pb2 import RadarTrack, RadarTrackStatus, TrackSet

CONFIRMED: Final = (RadarTrackStatus.RADAR_TRACK_STATUS_TRACKED, RadarTrackStatus.RADAR_TRACK_STATUS_COASTING)
LOST: Final = RadarTrackStatus.RADAR_TRACK_STATUS_LOST

Point = tuple[float, float]


@dataclass(slots=True)
class TrackLife:
    """One track: the times of its first and last state, and its confirmed positions, east and north in metres."""

    first_ns: int
    last_ns: int
    confirmed_ns: int | None = None
    lost: bool = False
    trail_m: list[Point] = field(default_factory=list)

    @property
    def lifetime_s(self) -> float:
        """Time from the confirmation to the last state, in seconds; 0 for a track that was never confirmed."""
        return 0.0 if self.confirmed_ns is None else (self.last_ns - self.confirmed_ns) / NS_PER_S


class TrackHistory:
    """Every track of the sets taken, in the order of their first state."""

    def __init__(self) -> None:
        self.lives: dict[str, TrackLife] = {}
        self._sets = 0
        self._confirmed = 0

    def take(self, track_set: TrackSet) -> None:
        """Add a set of tracks, or one of its parts."""
        time_ns = track_set.time.ToNanoseconds()
        self._sets += track_set.part <= 1
        for track in track_set.tracks:
            life = self.lives.setdefault(track.track_id.value, TrackLife(time_ns, time_ns))
            self._extend(life, track, time_ns)

    def _extend(self, life: TrackLife, track: RadarTrack, time_ns: int) -> None:
        life.lost = track.status == LOST
        life.last_ns = time_ns
        if track.status in CONFIRMED:
            life.confirmed_ns = time_ns if life.confirmed_ns is None else life.confirmed_ns
            life.trail_m.append((track.position.x, track.position.y))
            self._confirmed += 1

    def rows(self) -> Iterator[tuple[str, str]]:
        """Yield the name and the value of each statistic."""
        confirmed = [life for life in self.lives.values() if life.confirmed_ns is not None]
        lifetimes_s = [life.lifetime_s for life in confirmed] or [0.0]
        yield "tracks initiated", str(len(self.lives))
        yield "tracks confirmed", str(len(confirmed))
        yield "confirmed, and not lost at the end", str(sum(not life.lost for life in confirmed))
        yield "confirmed tracks in a set, mean", f"{self._confirmed / max(1, self._sets):.2f}"
        yield "lifetime, median", f"{median(lifetimes_s):.1f} s"
        yield "lifetime, mean", f"{mean(lifetimes_s):.1f} s"
        yield "lifetime, longest", f"{max(lifetimes_s):.1f} s"

    def trails(self) -> list[list[Point]]:
        """Return the trail of every confirmed track with more than one position."""
        return [life.trail_m for life in self.lives.values() if any(pairwise(life.trail_m))]

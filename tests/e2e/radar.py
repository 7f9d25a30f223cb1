"""Checks of the radar's subjects: frames, and after each of them the complete set of its tracks."""

from collections.abc import Iterator

from bus import Message
from contract import decode, header_problems, instant, order_problems, same, trace_id

from qiki.radar.v1.radar_pb2 import RadarFrame
from qiki.radar.v1.track_pb2 import TrackSet

FRAMES_SUBJECT = "qiki.radar.v1.frames"
TRACKS_SUBJECT = "qiki.radar.v1.tracks"
FRAMES = 3


class FramesAndTracks:
    """The first frames of the run and every part of their track sets."""

    subject = "qiki.radar.v1.*"

    def __init__(self) -> None:
        self.frames: list[tuple[Message, RadarFrame]] = []
        self.parts: list[tuple[Message, TrackSet]] = []

    def take(self, message: Message) -> None:
        """Keep the message if it is one of the first frames or a part of a track set."""
        if message.subject == FRAMES_SUBJECT and len(self.frames) < FRAMES:
            self.frames.append((message, decode(message, RadarFrame)))
        elif message.subject == TRACKS_SUBJECT:
            self.parts.append((message, decode(message, TrackSet)))

    def missing(self) -> str:
        """Return the frames or track sets that are still missing."""
        if len(self.frames) < FRAMES:
            return f"{FRAMES - len(self.frames)} of {FRAMES} radar frames"
        without = [message.sequence for message, frame in self.frames if not self._whole(frame)]
        return f"the whole set of tracks of the frames {', '.join(without)}" if without else ""

    def problems(self) -> Iterator[str]:
        """Check headers, ids and order of the found frames and track sets; yield each difference."""
        for message, frame in self.frames:
            yield from header_problems(message, "frames", RadarFrame)
            yield from same(message, "frame_id", frame.frame_id.value, message.headers.get("ce-id"))
            yield from _same_event(message, frame)
        for message, track_set in self.parts:
            yield from header_problems(message, "tracks", TrackSet)
            yield from self._set_problems(message, track_set)
        yield from order_problems([message for message, _ in self.frames])
        yield from order_problems([message for message, _ in self.parts])

    def _whole(self, frame: RadarFrame) -> bool:
        """Return whether the last part of the frame's tracks is there; `order_problems` finds missing earlier ones."""
        return any(found.frame_id == frame.frame_id and found.part == found.parts for _, found in self.parts)

    def _set_problems(self, message: Message, track_set: TrackSet) -> Iterator[str]:
        if track_set.frame_sequence > FRAMES:  # of a frame that was not read
            return
        about, frame = self.frames[max(track_set.frame_sequence, 1) - 1]
        siblings = [found for _, found in self.parts if found.frame_id == track_set.frame_id]
        yield from same(message, "frame_sequence", f"{track_set.frame_sequence:020d}", about.sequence)
        yield from same(message, "frame_id", track_set.frame_id, frame.frame_id)
        yield from same(message, "time", track_set.time, frame.timestamp)
        yield from same(message, "own_ship", track_set.own_ship, frame.sensor_pose)
        yield from same(message, "part", track_set.part, siblings.index(track_set) + 1)
        yield from same(message, "parts", track_set.parts, len(siblings))
        yield from same(message, "the run", message.headers.get("ce-run"), about.headers.get("ce-run"))
        yield from same(message, "the trace", trace_id(message), trace_id(about))
        yield from _same_event(message, frame)


def _same_event(message: Message, frame: RadarFrame) -> Iterator[str]:
    """Compare the headers of a frame or of its tracks with the frame."""
    yield from same(message, "ce-subject", message.headers.get("ce-subject"), frame.sensor_id.value)
    yield from same(message, "ce-time", instant(message, "ce-time"), frame.timestamp)

"""The radar picture: the newest tracks and each sensor's newest detections, in metres east and north."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from cli.views.top.model.enums import enum_name
from qiki.radar.v1.radar_pb2 import RadarFrame
from qiki.radar.v1.track_pb2 import FriendFoe, RadarTrack, RadarTrackStatus, TrackSet

Point = tuple[float, float]  # metres east and north

MAX_TRACKS: Final = 2000
MAX_DETECTIONS: Final = 5000
MAX_SENSORS: Final = 32
DETECTIONS_KEPT_S: Final = 15.0  # of a sensor that has stopped while others go on
SHORT_ID_CHARACTERS: Final = 4
LOST: Final = "LOST"


@dataclass(frozen=True, slots=True)
class TrackView:
    """One track: its short id, status and identification by name, position, velocity in m/s, and height in metres."""

    track_id: str
    short_id: str
    status: str
    iff: str
    position_m: Point
    velocity_mps: Point
    height_m: float
    transponder_id: str
    range_m: float
    bearing_deg: float
    misses: int

    @property
    def speed_mps(self) -> float:
        """The speed over the ground."""
        return math.hypot(*self.velocity_mps)


@dataclass(frozen=True, slots=True)
class Detections:
    """The detections of one sensor's newest frame, received at `at_s` seconds on the monotonic clock."""

    at_s: float
    points_m: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class RadarPicture:
    """The newest tracks and detections. Times are seconds on the monotonic clock; None before the first.

    `parts` holds the parts of the set that is being received, by number. `not_drawable` counts tracks without a finite
    position. The states say in a few words how the two streams are.
    """

    own_ship_m: Point = (0.0, 0.0)
    tracks: tuple[TrackView, ...] = ()
    detections: Mapping[str, Detections] = field(default_factory=dict)  # by sensor
    time: str = ""  # simulation time of the tracks
    frame_sequence: int = 0
    parts: Mapping[int, tuple[TrackView, ...]] = field(default_factory=dict)
    not_drawable: int = 0
    tracks_at_s: float | None = None
    frames_at_s: float | None = None
    tracks_state: str = "not connected yet"
    frames_state: str = "not connected yet"


def with_tracks(picture: RadarPicture, part: TrackSet, at_s: float) -> RadarPicture:
    """Return the picture with one part of a set; the tracks change once all parts of the set have come."""
    known = picture.parts if part.frame_sequence == picture.frame_sequence else {}
    own_ship = _own_ship(part, picture.own_ship_m)
    views = [_view(track, own_ship) for track in part.tracks[:MAX_TRACKS] if _status(track) != LOST]
    drawable = tuple(view for view in views if view is not None)
    parts = {**known, part.part: drawable}
    missing = (picture.not_drawable if known else 0) + len(views) - len(drawable)
    after = replace(picture, parts=parts, frame_sequence=part.frame_sequence, not_drawable=missing)
    if len(parts) < part.parts:
        return after
    tracks = tuple(track for number in sorted(parts) for track in parts[number])
    return replace(
        after,
        own_ship_m=own_ship,
        tracks=tracks[:MAX_TRACKS],
        parts={},
        time=part.time.ToJsonString() if part.HasField("time") else "",
        tracks_at_s=at_s,
    )


def with_frame(picture: RadarPicture, frame: RadarFrame, at_s: float) -> RadarPicture:
    """Return the picture with one sensor's newest detections, given as columns."""
    pose = frame.sensor_pose.position
    columns = frame.detection_columns
    ranges = columns.range_m[:MAX_DETECTIONS]
    bearings = _column(columns.bearing_deg, len(ranges))
    elevations = _column(columns.elev_deg, len(ranges))
    points = (_ground_point((pose.x, pose.y), *polar) for polar in zip(ranges, bearings, elevations, strict=True))
    newest = Detections(at_s, tuple(point for point in points if _is_finite(point)))
    kept = {sensor: old for sensor, old in picture.detections.items() if at_s - old.at_s <= DETECTIONS_KEPT_S}
    detections = {**kept, frame.sensor_id.value: newest}
    if len(detections) > MAX_SENSORS:
        del detections[next(iter(detections))]
    return replace(picture, detections=detections, frames_at_s=at_s)


def _own_ship(part: TrackSet, before: Point) -> Point:
    point = (part.own_ship.position.x, part.own_ship.position.y)
    return point if part.HasField("own_ship") and _is_finite(point) else before


def _view(track: RadarTrack, own_ship: Point) -> TrackView | None:
    position = (float(track.position.x), float(track.position.y))
    if not _is_finite(position):
        return None
    east, north = position[0] - own_ship[0], position[1] - own_ship[1]
    velocity = (float(track.velocity.x), float(track.velocity.y))
    return TrackView(
        track_id=track.track_id.value,
        short_id=track.track_id.value[:SHORT_ID_CHARACTERS],
        status=_status(track),
        iff=enum_name(FriendFoe.DESCRIPTOR, track.iff, "FRIEND_FOE_"),
        position_m=position,
        velocity_mps=velocity if _is_finite(velocity) else (0.0, 0.0),
        height_m=float(track.position.z),
        transponder_id=track.transponder_id,
        range_m=math.hypot(east, north),
        bearing_deg=math.degrees(math.atan2(east, north)) % 360.0,
        misses=track.miss_count,
    )


def _status(track: RadarTrack) -> str:
    return enum_name(RadarTrackStatus.DESCRIPTOR, track.status, "RADAR_TRACK_STATUS_")


def _column(values: Sequence[float], length: int) -> Iterable[float]:
    return values[:length] if len(values) >= length else [0.0] * length


def _ground_point(origin: Point, range_m: float, bearing_deg: float, elev_deg: float) -> Point:
    """Return a detection's position over the ground."""
    if not (math.isfinite(range_m) and math.isfinite(bearing_deg) and math.isfinite(elev_deg)):
        return (math.nan, math.nan)
    ground_m = range_m * math.cos(math.radians(elev_deg))
    bearing = math.radians(bearing_deg)
    return (origin[0] + ground_m * math.sin(bearing), origin[1] + ground_m * math.cos(bearing))


def _is_finite(point: Point) -> bool:
    return math.isfinite(point[0]) and math.isfinite(point[1])

"""A session of TrackFrames: a caller's own frames through a tracker of its own."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace

from mesh.serving.errors import InvalidFieldError
from qiki.radar.v1.radar_pb2 import RadarFrame
from qiki.radar.v1.track_pb2 import TrackSet
from qiki.tracker.v1.tracker_service_pb2 import FrameRejection, Sensor, TrackFramesResponse
from qiki.tracker.v1.tracker_service_pb2 import Session as SessionRequest
from svc_tracker import wire
from svc_tracker.domain.frame import MAX_TEXT_CHARACTERS, FrameError
from svc_tracker.domain.model import TrackerModel
from svc_tracker.domain.tracker import Tracker

MAX_SENSORS = 32
MAX_SESSION_ID_CHARACTERS = 128


class Session:
    """One caller's tracker; a refused frame leaves it unchanged. Used by one thread at a time."""

    def __init__(self, request: SessionRequest, model: TrackerModel) -> None:
        """Open a session that tracks targets with this model: in the plane if no sensor measures elevation.

        Raises:
            InvalidFieldError: a field of the session is invalid.
        """
        if len(request.session_id) > MAX_SESSION_ID_CHARACTERS:
            raise InvalidFieldError("session.session_id", f"must have at most {MAX_SESSION_ID_CHARACTERS} characters")
        if not 1 <= len(request.sensors) <= MAX_SENSORS:
            raise InvalidFieldError("session.sensors", f"must be 1 to {MAX_SENSORS}, not {len(request.sensors)}")
        self._sensors = _by_id(request)
        namespace = (
            uuid.uuid5(uuid.NAMESPACE_OID, f"qiki/session/{request.session_id}") if request.session_id else uuid.uuid4()
        )
        self._ids = wire.TrackIds(namespace)
        self._told = wire.to_track_columns if request.track_columns else wire.to_track_sets
        self._tracker = Tracker(replace(model, axes=_axes(request)))
        self._frames = 0

    def answer(self, frame: RadarFrame) -> Sequence[TrackFramesResponse]:
        """Return the tracks after the frame, or why it is refused; completes the frame, in place, from the session."""
        self._frames += 1
        try:
            self._complete(frame)
            table = self._tracker.step(wire.to_frame(frame))
        except FrameError as error:
            return [TrackFramesResponse(rejection=self._rejection(frame, error))]
        responses: list[TrackFramesResponse] = []

        def part() -> TrackSet:
            responses.append(TrackFramesResponse())
            return responses[-1].track_set

        self._told(table, frame, self._frames, self._ids, part)
        return responses

    def _complete(self, frame: RadarFrame) -> None:
        """Add the session's pose and model to the frame where it has none."""
        sensor = self._sensors.get(frame.sensor_id.value)
        if sensor is None:
            name = frame.sensor_id.value[:MAX_TEXT_CHARACTERS]
            raise FrameError("sensor_id", f"{name!r} is not a sensor of this session")
        if not frame.HasField("sensor_pose"):
            frame.sensor_pose.CopyFrom(sensor.pose)
        if not frame.HasField("sensor_model"):
            frame.sensor_model.CopyFrom(sensor.model)

    def _rejection(self, frame: RadarFrame, error: FrameError) -> FrameRejection:
        """Return why the frame is refused, with its id unless that is too long for an id: the response stays small."""
        rejection = FrameRejection(frame_number=self._frames, field=error.field, message=error.message)
        if len(frame.frame_id.value) <= MAX_TEXT_CHARACTERS:
            rejection.frame_id.CopyFrom(frame.frame_id)
        return rejection


def _axes(request: SessionRequest) -> int:
    """Return the number of axes along which the session tracks targets: an unmeasured axis is not estimated."""
    return 2 if all(sensor.model.no_elevation for sensor in request.sensors) else 3


def _by_id(request: SessionRequest) -> Mapping[str, Sensor]:
    found: dict[str, Sensor] = {}
    for index, sensor in enumerate(request.sensors):
        sensor_id = sensor.sensor_id.value
        if not sensor_id or sensor_id in found:
            raise InvalidFieldError(f"session.sensors[{index}].sensor_id", "must be there, and only once")
        found[sensor_id] = sensor
    return found

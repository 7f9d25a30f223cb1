"""A session of TrackFrames: a caller's own frames through a tracker of its own."""

import uuid
from collections.abc import Iterator, Mapping

from mesh.errors import InvalidFieldError
from qiki.radar.v1.radar_pb2 import RadarFrame
from qiki.tracker.v1.tracker_service_pb2 import FrameRejection, Sensor, TrackFramesResponse
from qiki.tracker.v1.tracker_service_pb2 import Session as SessionRequest
from svc_tracker import wire
from svc_tracker.domain.frame import FrameError
from svc_tracker.domain.model import TrackerModel
from svc_tracker.domain.tracker import Tracker

MAX_SENSORS = 32
MAX_SESSION_ID_CHARACTERS = 128


class Session:
    """One caller's tracker; a frame that is refused leaves it exactly as it was."""

    def __init__(self, request: SessionRequest) -> None:
        """Open a session.

        Raises:
            InvalidFieldError: the session's own fields are wrong.
        """
        if len(request.session_id) > MAX_SESSION_ID_CHARACTERS:
            raise InvalidFieldError("session.session_id", f"must have at most {MAX_SESSION_ID_CHARACTERS} characters")
        if not 1 <= len(request.sensors) <= MAX_SENSORS:
            raise InvalidFieldError("session.sensors", f"must be 1 to {MAX_SENSORS}, not {len(request.sensors)}")
        self._sensors = _by_id(request)
        self._namespace = (
            uuid.uuid5(uuid.NAMESPACE_OID, f"qiki/session/{request.session_id}") if request.session_id else uuid.uuid4()
        )
        self._tracker = Tracker(TrackerModel())
        self._frames = 0

    def answer(self, frame: RadarFrame) -> Iterator[TrackFramesResponse]:
        """Yield the tracks after the frame, or why it is refused."""
        self._frames += 1
        try:
            completed = self._completed(frame)
            table = self._tracker.step(wire.to_frame(completed))
        except FrameError as error:
            rejection = FrameRejection(
                frame_number=self._frames, frame_id=frame.frame_id, field=error.field, message=error.message
            )
            yield TrackFramesResponse(rejection=rejection)
            return
        for track_set in wire.to_track_sets(table, completed, self._frames, self._namespace):
            yield TrackFramesResponse(track_set=track_set)

    def _completed(self, frame: RadarFrame) -> RadarFrame:
        """Return the frame with the session's pose and model where it has none."""
        sensor = self._sensors.get(frame.sensor_id.value)
        if sensor is None:
            raise FrameError("sensor_id", f"{frame.sensor_id.value!r} is not a sensor of this session")
        completed = RadarFrame()
        completed.CopyFrom(frame)
        if not frame.HasField("sensor_pose"):
            completed.sensor_pose.CopyFrom(sensor.pose)
        if not frame.HasField("sensor_model"):
            completed.sensor_model.CopyFrom(sensor.model)
        return completed


def _by_id(request: SessionRequest) -> Mapping[str, Sensor]:
    found: dict[str, Sensor] = {}
    for index, sensor in enumerate(request.sensors):
        sensor_id = sensor.sensor_id.value
        if not sensor_id or sensor_id in found:
            raise InvalidFieldError(f"session.sensors[{index}].sensor_id", "must be there, and only once")
        found[sensor_id] = sensor
    return found

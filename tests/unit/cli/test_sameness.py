"""Sameness of two runs' messages: ids as pairs, times from the start, all else exactly."""

import math

from google.protobuf.timestamp_pb2 import Timestamp

from cli.runs.diff.sameness import Sameness
from qiki.common.v1.geometry_pb2 import UUID
from qiki.radar.v1.radar_pb2 import RadarDetection, RadarFrame
from qiki.tracker.v1.guard_pb2 import GuardEvent

A, B, C = (f"{digit * 8}-0000-4000-8000-000000000000" for digit in "abc")


def other_runs(shift_s: int = 0) -> Sameness:
    return Sameness(same_run=False, shift_ns=shift_s * 10**9)


def frame(frame_id: str, sensor_id: str = A, seconds: int = 5) -> RadarFrame:
    return RadarFrame(
        frame_id=UUID(value=frame_id), sensor_id=UUID(value=sensor_id), timestamp=Timestamp(seconds=seconds)
    )


def test_ids_of_two_runs_are_the_same_as_long_as_they_stay_paired() -> None:
    same = other_runs()
    assert same.differences(frame(A, A), frame(B, B)) == []
    assert same.differences(frame(A, A), frame(B, B)) == []
    assert same.differences(frame(A, A), frame(C, B)) == [("frame_id.value", repr(A), repr(C))]
    assert same.differences(frame(C, A), frame(B, B)) == [("frame_id.value", repr(C), repr(B))]


def test_an_id_inside_a_text_is_compared_as_a_pair_too() -> None:
    same = other_runs()
    one, other = (GuardEvent(message=f"closes: QK-1 (track {each[:8]}) in 5 s") for each in (A, B))
    assert same.differences(one, other) == []
    assert same.differences(one, GuardEvent(message=f"closes: QK-1 (track {C[:8]}) in 5 s")) != []
    assert same.differences(one, GuardEvent(message=f"closes: QK-2 (track {B[:8]}) in 5 s")) != []


def test_a_differing_message_pairs_no_ids() -> None:
    same = other_runs()
    assert same.differences(frame(A, A, 5), frame(B, B, 6)) != []
    assert same.differences(frame(A, A), frame(C, C)) == []


def test_ids_of_one_run_are_compared_exactly() -> None:
    same = Sameness(same_run=True, shift_ns=0)
    assert same.differences(frame(A), frame(B)) == [("frame_id.value", repr(A), repr(B))]


def test_times_are_compared_from_the_start_of_each_run() -> None:
    assert other_runs(100).differences(frame(A, seconds=5), frame(A, seconds=105)) == []
    found = other_runs(100).differences(frame(A, seconds=5), frame(A, seconds=106))
    assert [path for path, _one, _other in found] == ["timestamp"]


def test_every_differing_field_is_named_by_its_path() -> None:
    one, other = frame(A), frame(A)
    one.detections.extend([RadarDetection(range_m=1.0), RadarDetection(range_m=2.0, snr_db=math.nan)])
    other.detections.extend([RadarDetection(range_m=1.5), RadarDetection(range_m=2.0, snr_db=math.nan)])
    other.detections.add()
    other.sensor_pose.SetInParent()
    found = {path: (first, second) for path, first, second in other_runs().differences(one, other)}
    assert found == {
        "detections (number)": ("2", "3"),
        "detections[0].range_m": ("1.0", "1.5"),
        "sensor_pose": ("absent", ""),
    }

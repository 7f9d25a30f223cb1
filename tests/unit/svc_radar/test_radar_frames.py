"""A frame carries every value that a tracker needs, and none that the radar cannot know."""

import dataclasses

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from mesh.rng import generator
from qiki.common.v1.geometry_pb2 import UUID, Pose, Quaternion, Vector3d
from qiki.radar.v1 import radar_pb2
from qiki.sim.v1 import world_pb2
from qiki.sim.v1.world_pb2 import Contact, SensorFault, WorldSnapshot
from qiki_sdk.columns import detection_columns
from radar_scenes import PHYSICAL, at
from svc_radar.domain import Bias, Faults, Jamming, Pattern, RadarModel, Scan, ScanKind, Sector, observe
from svc_radar.wire import world
from svc_radar.wire.frames import EncodedFrame, FrameEncoder, to_truth
from svc_radar.wire.sensor_model import to_sensor_model

OWN = Pose(position=Vector3d(x=10.0, y=20.0, z=30.0), velocity=Vector3d(y=5.0), attitude=Quaternion(w=1.0))
END, START = Timestamp(seconds=100), Timestamp(seconds=99)


def snapshot(*faults: SensorFault) -> WorldSnapshot:
    contacts = []
    for number, (range_m, bearing_deg) in enumerate([(5_000.0, 10.0), (5_010.0, 10.0), (9_000.0, 200.0)]):
        x, y, z = at(range_m, bearing_deg)
        place = Vector3d(x=x + 10.0, y=y + 20.0, z=z + 30.0)
        contacts.append(Contact(contact_id=UUID(value=f"contact-{number}"), position=place, rcs_dbsm=60.0))
    return WorldSnapshot(tick=2_000, time=END, own_ship=OWN, contacts=contacts, sensor_faults=faults)


def scan_of(model: RadarModel, seen: WorldSnapshot) -> Scan:
    faults = world.to_faults(seen, model.sensor_id)
    return observe(model, world.to_platform(seen), world.to_targets(seen), generator(1, "radar", 1), faults)


def encode(encoder: FrameEncoder, scan: Scan, seen: WorldSnapshot) -> EncodedFrame:
    return encoder.encode(scan, seen, frame_id="frame", scan_number=7, scan_start=START)


def frame_of(model: RadarModel, seen: WorldSnapshot) -> tuple[radar_pb2.RadarFrame, list[list[str]]]:
    """Return the frame, and the contacts behind each of its detections."""
    scan = scan_of(model, seen)
    frame = encode(FrameEncoder(model), scan, seen).messages
    truth = to_truth(scan, seen, "frame")
    assert truth.frame_id == frame.frame_id
    assert len(truth.detections) == len(frame.detections)
    return frame, [[contact.value for contact in each.contact_ids] for each in truth.detections]


def fault(sensor_id: str = PHYSICAL.sensor_id, **fields: object) -> SensorFault:
    return SensorFault(sensor_id=UUID(value=sensor_id), **fields)  # type: ignore[arg-type]


def test_a_frame_carries_its_time_pose_and_sensor_model() -> None:
    frame, _ = frame_of(PHYSICAL, snapshot())
    assert (frame.scan_number, frame.tick, frame.timestamp, frame.scan_start) == (7, 2_000, END, START)
    assert frame.sensor_pose == OWN
    assert (list(frame.sensor_position_covariance), frame.sensor_north_sigma_deg) == ([], 0.0)
    assert frame.status == radar_pb2.SENSOR_STATUS_OK
    assert frame.sensor_model == to_sensor_model(PHYSICAL)
    assert not frame.sensor_model.HasField("coverage"), "all around"


def test_every_detection_carries_its_own_sigmas_and_its_time() -> None:
    frame, _ = frame_of(dataclasses.replace(PHYSICAL, scan_kind=ScanKind.ROTATING), snapshot())
    assert frame.sensor_model.scan_kind == radar_pb2.SCAN_KIND_ROTATING
    for each in frame.detections:
        assert min(each.range_sigma_m, each.bearing_sigma_deg, each.elev_sigma_deg, each.vr_sigma_mps) > 0.0
        assert -1.0 <= each.time_offset_s < 0.0


def test_the_truth_names_the_contacts_behind_each_detection_in_the_frames_order() -> None:
    model = dataclasses.replace(PHYSICAL, false_alarm_probability=1e-7)
    frame, truth = frame_of(model, snapshot())
    both = list(zip(frame.detections, truth, strict=True))
    strong = {round(each.bearing_deg): sorted(names) for each, names in both if each.snr_db > 30.0}
    assert strong == {10: ["contact-0", "contact-1"], 200: ["contact-2"]}, "two contacts are not resolved"
    assert [names for each, names in both if each.snr_db < 30.0] == [[]] * (len(both) - 2), (
        "false detections have no contact"
    )
    assert len(both) > 2


def test_an_uncertain_sensor_position_is_reported_with_its_covariance() -> None:
    frame, _ = frame_of(dataclasses.replace(PHYSICAL, pose_sigma_m=3.0, north_sigma_deg=0.5), snapshot())
    assert list(frame.sensor_position_covariance) == [9.0, 0.0, 0.0, 9.0, 0.0, 9.0]
    assert frame.sensor_north_sigma_deg == 0.5
    assert frame.sensor_pose.position != OWN.position
    assert (frame.sensor_pose.velocity, frame.sensor_pose.attitude) == (OWN.velocity, OWN.attitude)


def test_biases_pattern_and_horizon_are_not_in_the_frame() -> None:
    secret = dataclasses.replace(
        PHYSICAL, bias=Bias(5.0, 0.5, 0.1), pattern=Pattern(elev_width_deg=30.0), horizon_surface_m=-1e6
    )
    assert to_sensor_model(secret) == to_sensor_model(PHYSICAL)


def test_blind_sectors_and_a_lost_scan_are_reported() -> None:
    dead = fault(kind=world_pb2.SENSOR_FAULT_KIND_DEAD_SECTOR, sector_start_deg=350.0, sector_width_deg=40.0)
    jammed = fault(
        kind=world_pb2.SENSOR_FAULT_KIND_JAMMING, sector_start_deg=90.0, sector_width_deg=20.0, jamming_db=60.0
    )
    lost = fault(kind=world_pb2.SENSOR_FAULT_KIND_DROPOUT, dropout_probability=1.0)
    frame, truth = frame_of(PHYSICAL, snapshot(dead, jammed, lost))
    assert (frame.status, len(frame.detections), truth) == (radar_pb2.SENSOR_STATUS_FAILED, 0, [])
    assert [(blind.sector.start_deg, blind.sector.width_deg, blind.reason) for blind in frame.blind_sectors] == [
        (350.0, 40.0, radar_pb2.BLIND_REASON_DEAD),
        (90.0, 20.0, radar_pb2.BLIND_REASON_JAMMED),
    ]


def test_a_frame_that_lacks_its_weakest_detections_is_marked_truncated() -> None:
    whole, _ = frame_of(PHYSICAL, snapshot())
    assert (len(whole.detections) > 1, whole.truncated) == (True, False)
    limited, _ = frame_of(dataclasses.replace(PHYSICAL, max_detections=1), snapshot())
    assert (len(limited.detections), limited.truncated) == (1, True)


def test_a_frame_does_not_depend_on_the_frames_encoded_before() -> None:
    model = dataclasses.replace(PHYSICAL, pose_sigma_m=3.0, coverage=Sector(0.0, 270.0))
    lost = fault(kind=world_pb2.SENSOR_FAULT_KIND_DROPOUT, dropout_probability=1.0)
    dead = fault(kind=world_pb2.SENSOR_FAULT_KIND_DEAD_SECTOR, sector_start_deg=350.0, sector_width_deg=40.0)
    encoder = FrameEncoder(model)
    for seen in (snapshot(), snapshot(dead, lost), snapshot(dead), snapshot()):
        scan = scan_of(model, seen)
        assert encode(encoder, scan, seen) == encode(FrameEncoder(model), scan, seen)


def test_a_frame_is_the_same_in_both_layouts() -> None:
    dead = fault(kind=world_pb2.SENSOR_FAULT_KIND_DEAD_SECTOR, sector_start_deg=350.0, sector_width_deg=40.0)
    seen = snapshot(dead)
    frame = encode(FrameEncoder(PHYSICAL), scan_of(PHYSICAL, seen), seen)
    assert len(frame.messages.detections) == len(frame.columns.detection_columns.range_m) > 0
    assert not frame.columns.detections
    assert detection_columns(frame.messages) == frame.columns.detection_columns
    frame.messages.ClearField("detections")
    frame.columns.ClearField("detection_columns")
    assert frame.messages == frame.columns


def test_faults_of_one_sensor_are_combined_and_those_of_others_ignored() -> None:
    step = fault(kind=world_pb2.SENSOR_FAULT_KIND_BIAS_STEP, range_bias_m=5.0, bearing_bias_deg=1.0)
    lost = fault(kind=world_pb2.SENSOR_FAULT_KIND_DROPOUT, dropout_probability=0.5)
    jam = fault(kind=world_pb2.SENSOR_FAULT_KIND_JAMMING, sector_start_deg=1.0, sector_width_deg=2.0, jamming_db=3.0)
    other = fault("another", kind=world_pb2.SENSOR_FAULT_KIND_DROPOUT, dropout_probability=1.0)
    found = world.to_faults(snapshot(step, lost, other, jam, step, lost), PHYSICAL.sensor_id)
    assert found == Faults((Jamming(Sector(1.0, 2.0), 3.0),), (), 10.0, 2.0, 0.75)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": world_pb2.SENSOR_FAULT_KIND_UNSPECIFIED}, "sensor_faults.kind is not known: 0"),
        ({"kind": world_pb2.SENSOR_FAULT_KIND_DEAD_SECTOR}, "width_deg must"),
        ({"kind": world_pb2.SENSOR_FAULT_KIND_DROPOUT, "dropout_probability": 2.0}, "dropout_probability must"),
        ({"kind": world_pb2.SENSOR_FAULT_KIND_BIAS_STEP, "range_bias_m": float("nan")}, "range_bias_m must"),
    ],
)
def test_an_invalid_fault_is_refused_by_its_field(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        world.to_faults(snapshot(fault(**fields)), PHYSICAL.sensor_id)

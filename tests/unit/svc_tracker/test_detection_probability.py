"""A miss counts by the probability that the sensor detects the track."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from svc_tracker.domain import Detections, Frame, SensorStatus, Tracker, TrackerModel, TrackStatus, TrackTable
from svc_tracker.domain.association.existence import miss_increment, predict_existence
from svc_tracker.domain.frame import Sector, SwerlingCase
from tracker_truth import NOTHING, Sensor

MODEL = TrackerModel()
SENSOR = Sensor(detection_probability=0.9, clutter_per_scan=0.0, max_range_m=60e3)
# 20 km north of the sensor, half a kilometre up, going east and slowly away.
PLACE, VELOCITY = np.array([[0.0, 20_000.0, 500.0]]), np.array([[60.0, 40.0, 0.0]])


def seen(t_s: float, sensor: Sensor = SENSOR) -> Detections:
    return sensor.measure(PLACE + t_s * VELOCITY, VELOCITY, None)


def tracking(seconds: int = 6) -> Tracker:
    tracker = Tracker(MODEL)
    for t_s in range(seconds):
        tracks = tracker.step(SENSOR.frame(float(t_s), seen(float(t_s))))
    assert tracks.records.status.tolist() == [TrackStatus.TRACKED]
    return tracker


def empty_frame(t_s: float, *, of: Sensor = SENSOR, model: dict[str, Any] | None = None, **changes: Any) -> Frame:
    """Return an empty frame of a sensor with this model."""
    made = of.frame(t_s, NOTHING, **changes)
    return dataclasses.replace(made, sensor_model=dataclasses.replace(made.sensor_model, **(model or {})))


BLIND: dict[str, dict[str, Any]] = {
    "beyond its range": {"model": {"max_range_m": 15_000.0}},
    "below its range": {"model": {"min_range_m": 25_000.0}},
    "above its elevations": {"model": {"max_elev_deg": 1.0}},
    "below its elevations": {"model": {"min_elev_deg": 3.0}},
    "outside its coverage": {"model": {"coverage": Sector(30.0, 300.0)}},
    "in a blind sector": {"blind_sectors": (Sector(100.0, 10.0), Sector(350.0, 20.0))},
    "in its Doppler notch": {"model": {"min_radial_speed_mps": 50.0}},
    "in a sensor that was off": {"status": SensorStatus.OFF},
    "in a sensor that failed": {"status": SensorStatus.FAILED},
    "in a truncated frame": {"truncated": True},
}


@pytest.mark.parametrize("where", BLIND)
def test_a_track_out_of_view_is_not_missed(where: str) -> None:
    tracker, quality = tracking(), None
    for t_s in range(6, 12):
        tracks = tracker.step(empty_frame(float(t_s), **BLIND[where]))
        assert tracks.records.consecutive_misses.tolist() == tracks.records.total_misses.tolist() == [0]
        assert tracks.records.status.tolist() == [TrackStatus.COASTING]
        # The score decreases by the lifetime alone.
        expected = None if quality is None else predict_existence(np.log(quality / (1.0 - quality)), 1.0, MODEL)
        assert expected is None or tracks.records.score == pytest.approx(expected)
        quality = tracks.existence_probability
    tracks = tracker.step(SENSOR.frame(12.0, seen(12.0)))
    assert (tracks.records.status.tolist(), tracks.records.number.tolist()) == ([TrackStatus.TRACKED], [1])


@pytest.mark.parametrize(
    "model",
    [
        {},
        {"max_range_m": 20_500.0},
        {"max_elev_deg": 2.0, "min_elev_deg": 1.0},
        {"coverage": Sector(350.0, 20.0)},
        {"min_radial_speed_mps": 30.0},
    ],
)
def test_a_track_in_view_is_missed(model: dict[str, Any]) -> None:
    tracker = tracking()
    before = tracker.step(empty_frame(5.0, status=SensorStatus.OFF)).records.score
    tracks = tracker.step(empty_frame(5.0, model=model, blind_sectors=(Sector(90.0, 90.0),)))
    assert (tracks.records.status.tolist(), tracks.records.consecutive_misses.tolist()) == ([TrackStatus.COASTING], [1])
    assert tracks.records.score - before == pytest.approx(miss_increment(np.array([0.9]), MODEL))


def test_the_doppler_notch_applies_to_the_speed_over_ground() -> None:
    moving = dataclasses.replace(SENSOR, velocity_mps=(0.0, 200.0, 0.0))
    tracks = tracking().step(empty_frame(6.0, of=moving, model={"min_radial_speed_mps": 50.0}))
    assert tracks.records.consecutive_misses.tolist() == [0]
    tracks = tracking().step(empty_frame(6.0, of=moving, model={"min_radial_speed_mps": 30.0}))
    assert tracks.records.consecutive_misses.tolist() == [1]


def test_another_sensor_without_view_of_a_track_does_not_change_its_status() -> None:
    tracker = tracking()
    other = dataclasses.replace(SENSOR, sensor_id="other", position_m=(500e3, 0.0, 0.0))
    for t_s in (6.0, 6.5, 7.0):
        tracks = tracker.step(empty_frame(t_s, of=other))
        assert (tracks.records.status.tolist(), tracks.records.consecutive_misses.tolist()) == (
            [TrackStatus.TRACKED],
            [0],
        )


def test_a_miss_of_another_sensor_with_view_counts() -> None:
    other = dataclasses.replace(SENSOR, sensor_id="other", position_m=(3e3, 0.0, 0.0))
    tracks = tracking().step(empty_frame(6.0, of=other))
    assert (tracks.records.status.tolist(), tracks.records.consecutive_misses.tolist()) == ([TrackStatus.COASTING], [1])


def test_a_new_track_out_of_view_is_missed_by_the_sensor_that_initiated_it() -> None:
    tracker = Tracker(MODEL)
    tracker.step(SENSOR.frame(0.0, seen(0.0)))
    for t_s in range(1, 5):
        tracks = tracker.step(empty_frame(float(t_s), model={"max_range_m": 15_000.0}))
        if not len(tracks) or tracks.records.status[0] == TrackStatus.LOST:
            break
    assert tracks.records.status.tolist() == [TrackStatus.LOST]


def score_after_a_miss(**model: Any) -> float:
    tracker = tracking()
    before = tracker.step(empty_frame(5.0, status=SensorStatus.OFF)).records.score[0]
    return float(tracker.step(empty_frame(5.0, model=model)).records.score[0] - before)


def model_of(snr_db: float, swerling: SwerlingCase, false_alarm_probability: float = 1e-6) -> dict[str, Any]:
    """Return the sensor model for which a target like this one, at 20 km, has this signal-to-noise ratio."""
    return {
        "false_alarm_probability": false_alarm_probability,
        "swerling": swerling,
        "snr_ref_db": snr_db + 40.0 * np.log10(20_203.0 / 10_000.0),
        "rcs_ref_dbsm": 0.0,
        "range_ref_m": 10_000.0,
    }


@pytest.mark.parametrize("snr_db", [0.0, 10.0, 15.0, 25.0])
def test_a_miss_counts_by_the_detection_probability_of_the_radar_equation(snr_db: float) -> None:
    """Swerling 1: Pd = Pfa^(1 / (1 + SNR)), in closed form."""
    lost = score_after_a_miss(**model_of(snr_db, SwerlingCase.CASE_1))
    detected = 1e-6 ** (1.0 / (1.0 + 10.0 ** (snr_db / 10.0)))
    assert lost == pytest.approx(np.log(1.0 - detected * MODEL.gate_probability), rel=0.02)


@pytest.mark.parametrize("swerling", [SwerlingCase.CASE_0, SwerlingCase.CASE_1, SwerlingCase.CASE_3])
def test_a_miss_of_a_weaker_target_counts_less(swerling: SwerlingCase) -> None:
    lost = [score_after_a_miss(**model_of(snr_db, swerling)) for snr_db in (-30.0, 0.0, 5.0, 10.0, 15.0, 20.0)]
    assert lost[0] == pytest.approx(0.0, abs=1e-3)
    assert np.all(np.diff(lost) < 0.0)


@pytest.mark.parametrize("swerling", list(SwerlingCase))
@pytest.mark.parametrize("snr_db", [-1e15, 1e15])
def test_extreme_echo_strengths_give_finite_scores(swerling: SwerlingCase, snr_db: float) -> None:
    assert np.isfinite(score_after_a_miss(**(model_of(0.0, swerling) | {"snr_ref_db": snr_db})))


def statuses(tracks: TrackTable) -> list[int]:
    return [int(status) for status in tracks.records.status]


def test_a_target_that_crosses_a_blind_sector_keeps_its_track() -> None:
    """Ten seconds behind a mast: predicted, not deleted, and detected again."""
    model = dataclasses.replace(MODEL, max_coast_s=20.0)
    tracker, mast = Tracker(model), (Sector(2.0, 2.0),)
    rng = np.random.default_rng(4)
    hidden = 0
    for t_s in range(40):
        place = PLACE + t_s * VELOCITY
        bearing = float(np.degrees(np.arctan2(place[0, 0], place[0, 1])))
        behind = 2.0 <= bearing <= 4.0
        hidden += behind
        what = NOTHING if behind else SENSOR.measure(place, VELOCITY, rng)
        tracks = tracker.step(SENSOR.frame(float(t_s), what, blind_sectors=mast))
        assert tracks.records.number.tolist() == [1]
    assert hidden >= 8
    assert statuses(tracks) == [TrackStatus.TRACKED]

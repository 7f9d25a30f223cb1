"""A track is not held to account for what no sensor could see of it."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from svc_tracker.domain import Detections, Frame, SensorStatus, Tracker, TrackerModel, TrackStatus, TrackTable
from svc_tracker.domain.association.existence import miss_evidence, survive
from svc_tracker.domain.frame import Sector, SwerlingCase
from tracker_truth import NOTHING, Sensor

MODEL = TrackerModel()
SENSOR = Sensor(detection_probability=0.9, clutter_per_scan=0.0, max_range_m=60e3)
# 20 km north of the sensor, half a kilometre up, going east and slowly away.
PLACE, VELOCITY = np.array([[0.0, 20_000.0, 500.0]]), np.array([[60.0, 40.0, 0.0]])


def seen(t_s: float, sensor: Sensor = SENSOR) -> Detections:
    return sensor.measure(PLACE + t_s * VELOCITY, VELOCITY, None)


def followed(seconds: int = 6) -> Tracker:
    tracker = Tracker(MODEL)
    for t_s in range(seconds):
        tracks = tracker.step(SENSOR.frame(float(t_s), seen(float(t_s))))
    assert tracks.status.tolist() == [TrackStatus.TRACKED]
    return tracker


def silence(t_s: float, *, of: Sensor = SENSOR, model: dict[str, Any] | None = None, **changes: Any) -> Frame:
    """Return an empty frame of a sensor whose model says this."""
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
    "in a frame that left some out": {"truncated": True},
}


@pytest.mark.parametrize("where", BLIND)
def test_what_could_not_be_seen_is_not_missed(where: str) -> None:
    tracker, quality = followed(), None
    for t_s in range(6, 12):
        tracks = tracker.step(silence(float(t_s), **BLIND[where]))
        assert tracks.misses.tolist() == tracks.misses_in_all.tolist() == [0]
        assert tracks.status.tolist() == [TrackStatus.COASTING]
        # Nothing but the end of its life takes from its existence.
        expected = None if quality is None else survive(np.log(quality / (1.0 - quality)), 1.0, MODEL)
        assert expected is None or tracks.score == pytest.approx(expected)
        quality = tracks.quality
    tracks = tracker.step(SENSOR.frame(12.0, seen(12.0)))
    assert (tracks.status.tolist(), tracks.number.tolist()) == ([TrackStatus.TRACKED], [1])


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
def test_what_could_be_seen_is_missed(model: dict[str, Any]) -> None:
    tracker = followed()
    before = tracker.step(silence(5.0, status=SensorStatus.OFF)).score
    tracks = tracker.step(silence(5.0, model=model, blind_sectors=(Sector(90.0, 90.0),)))
    assert (tracks.status.tolist(), tracks.misses.tolist()) == ([TrackStatus.COASTING], [1])
    assert tracks.score - before == pytest.approx(miss_evidence(np.array([0.9]), MODEL))


def test_the_notch_is_about_the_speed_over_ground_not_that_of_the_sensor() -> None:
    moving = dataclasses.replace(SENSOR, velocity_mps=(0.0, 200.0, 0.0))
    tracks = followed().step(silence(6.0, of=moving, model={"min_radial_speed_mps": 50.0}))
    assert tracks.misses.tolist() == [0]
    tracks = followed().step(silence(6.0, of=moving, model={"min_radial_speed_mps": 30.0}))
    assert tracks.misses.tolist() == [1]


def test_another_sensors_silence_about_what_it_cannot_see_leaves_the_status_alone() -> None:
    tracker = followed()
    other = dataclasses.replace(SENSOR, sensor_id="other", position_m=(500e3, 0.0, 0.0))
    for t_s in (6.0, 6.5, 7.0):
        tracks = tracker.step(silence(t_s, of=other))
        assert (tracks.status.tolist(), tracks.misses.tolist()) == ([TrackStatus.TRACKED], [0])


def test_another_sensors_silence_about_what_it_should_see_is_a_miss() -> None:
    other = dataclasses.replace(SENSOR, sensor_id="other", position_m=(3e3, 0.0, 0.0))
    tracks = followed().step(silence(6.0, of=other))
    assert (tracks.status.tolist(), tracks.misses.tolist()) == ([TrackStatus.COASTING], [1])


def test_a_new_track_is_held_to_account_by_the_sensor_that_began_it_wherever_it_went() -> None:
    tracker = Tracker(MODEL)
    tracker.step(SENSOR.frame(0.0, seen(0.0)))
    for t_s in range(1, 5):
        tracks = tracker.step(silence(float(t_s), model={"max_range_m": 15_000.0}))
        if not len(tracks) or tracks.status[0] == TrackStatus.LOST:
            break
    assert tracks.status.tolist() == [TrackStatus.LOST]


def score_after_a_miss(**model: Any) -> float:
    tracker = followed()
    before = tracker.step(silence(5.0, status=SensorStatus.OFF)).score[0]
    return float(tracker.step(silence(5.0, model=model)).score[0] - before)


def told(snr_db: float, swerling: SwerlingCase, false_alarm_probability: float = 1e-6) -> dict[str, Any]:
    """Return what a sensor tells for which things like this one, at 20 km, give this signal to noise ratio."""
    return {
        "false_alarm_probability": false_alarm_probability,
        "swerling": swerling,
        "snr_ref_db": snr_db + 40.0 * np.log10(20_203.0 / 10_000.0),
        "rcs_ref_dbsm": 0.0,
        "range_ref_m": 10_000.0,
    }


@pytest.mark.parametrize("snr_db", [0.0, 10.0, 15.0, 25.0])
def test_where_the_sensor_tells_its_echoes_a_miss_counts_by_how_strong_this_one_should_be(snr_db: float) -> None:
    """Swerling 1: Pd = Pfa^(1 / (1 + SNR)), in closed form."""
    lost = score_after_a_miss(**told(snr_db, SwerlingCase.CASE_1))
    detected = 1e-6 ** (1.0 / (1.0 + 10.0 ** (snr_db / 10.0)))
    assert lost == pytest.approx(np.log(1.0 - detected * MODEL.gate_probability), rel=0.02)


@pytest.mark.parametrize("swerling", [SwerlingCase.CASE_0, SwerlingCase.CASE_1, SwerlingCase.CASE_3])
def test_a_fainter_thing_is_missed_with_less_consequence(swerling: SwerlingCase) -> None:
    lost = [score_after_a_miss(**told(snr_db, swerling)) for snr_db in (-30.0, 0.0, 5.0, 10.0, 15.0, 20.0)]
    assert lost[0] == pytest.approx(0.0, abs=1e-3)
    assert np.all(np.diff(lost) < 0.0)


@pytest.mark.parametrize("swerling", list(SwerlingCase))
@pytest.mark.parametrize("snr_db", [-1e15, 1e15])
def test_absurd_echoes_are_borne(swerling: SwerlingCase, snr_db: float) -> None:
    assert np.isfinite(score_after_a_miss(**(told(0.0, swerling) | {"snr_ref_db": snr_db})))


def statuses(tracks: TrackTable) -> list[int]:
    return [int(status) for status in tracks.status]


def test_a_thing_that_crosses_a_blind_sector_keeps_its_number() -> None:
    """Ten seconds behind a mast: dead reckoned, not given up, and found again."""
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
        assert tracks.number.tolist() == [1]
    assert hidden >= 8
    assert statuses(tracks) == [TrackStatus.TRACKED]

"""Track existence: the log-odds score, its prediction and update, confirmation and deletion.

The odds of existence are those of integrated probabilistic data association (Musicki, Evans and Stankovic, "Integrated
Probabilistic Data Association", IEEE Trans. AC 39(6), 1994) for one detection per track, as logarithms; the thresholds
are those of a sequential probability ratio test (Blackman and Popoli, "Design and Analysis of Modern Tracking
Systems", 1999, section 6.2).
"""

import numpy as np

from svc_tracker.domain.frame import Frame, SensorStatus
from svc_tracker.domain.model import TrackerModel
from svc_tracker.domain.state.records import TrackRecords
from svc_tracker.domain.state.tracks import LostReason, TrackStatus
from svc_tracker.domain.state.types import Booleans, Floats, Integers

NS_PER_S = 1_000_000_000
# As plain numbers: reading a member of an enumeration costs more than comparing a small array.
_NEW, _TRACKED, _COASTING = int(TrackStatus.NEW), int(TrackStatus.TRACKED), int(TrackStatus.COASTING)
_NONE, _NOT_CONFIRMED = int(LostReason.NONE), int(LostReason.NOT_CONFIRMED)
_MISSED, _TOO_OLD = int(LostReason.MISSED), int(LostReason.TOO_OLD)
# The share of an assignment gain that even the least probable track keeps.
_MIN_GAIN_SHARE = 1e-3
# Odds below this are 0, and their inverses would overflow.
_MIN_SCORE = -600.0
# The least detection probability where the sensor did detect the target.
_MIN_DETECTION_PROBABILITY = 1e-3


def predict_existence(score: Floats, dt_s: float, model: TrackerModel) -> Floats:
    """Return the scores dt_s later: existence p becomes s p, with survival probability s = exp(-dt / mean lifetime).

    In odds: s p / (1 - s p) = s / (1 - s + exp(-score)). So the odds are bounded, and a long past does not outweigh the
    present.
    """
    if dt_s == 0.0:
        return score
    ratio = dt_s / model.mean_lifetime_s
    predicted: Floats = -ratio - np.log(-np.expm1(-ratio) + _odds_against(score))
    return predicted


def new_per_scan(frame: Frame, model: TrackerModel) -> float:
    """Return the expected number of targets detected for the first time in this scan."""
    return model.birth_rate_per_scan + model.new_target_probability * frame.sensor_model.clutter_per_scan


def extraneous_per_scan(frame: Frame, model: TrackerModel) -> float:
    """Return the expected number of detections in this scan of no existing track: false ones and new targets."""
    return frame.sensor_model.clutter_per_scan + new_per_scan(frame, model)


def initial_score(frame: Frame, model: TrackerModel) -> float:
    """Return the score of a new track: the odds of a new target against a false detection, at most even."""
    new = new_per_scan(frame, model)
    return float(np.log(new) - np.log(max(frame.sensor_model.clutter_per_scan, new)))


def hit_increment(detection_probability: Floats, log_likelihood: Floats, log_extraneous: Floats) -> Floats:
    """Return the score increment of a detection: ln(Pd N(nu; 0, S) / lambda)."""
    pd = np.maximum(detection_probability, _MIN_DETECTION_PROBABILITY)
    increment: Floats = np.log(pd) + log_likelihood - log_extraneous
    return increment


def miss_increment(detection_probability: Floats, model: TrackerModel) -> Floats:
    """Return the score increment of a scan without a detection in the gate: ln(1 - Pd Pgate) <= 0."""
    increment: Floats = np.log1p(-detection_probability * model.gate_probability)
    return increment


def assignment_gain(score: Floats, hit: Floats, detection_probability: Floats, model: TrackerModel) -> Floats:
    """Return the gain of an assignment over none: ln(Pd N / lambda) - ln(1 - Pd Pgate), reduced by doubtful existence.

    The gain is reduced by -ln p, p being the probability of existence, so that a doubtful track takes no detection from
    a certain one; it stays positive where the detection is more likely the track's own than not.
    """
    gain = hit - miss_increment(detection_probability, model)
    log_existence = -np.log1p(_odds_against(score))
    return np.where(gain > 0.0, np.maximum(gain + log_existence, _MIN_GAIN_SHARE * gain), 0.0)


def expected_detection(records: TrackRecords, detection_probability: Floats, frame: Frame, sensor: int) -> Floats:
    """Return the detection probability (n,) that counts in case of a miss; 0 where a miss is no evidence.

    A miss is no evidence from a sensor that did not work or truncated its detections, nor for a track out of its view;
    except for a new track of that same sensor, whose predicted position is too uncertain to place it out of view.
    """
    if frame.status is not SensorStatus.OK or frame.truncated:
        return np.zeros(len(records))
    initiated_here = (records.status == _NEW) & (records.sensor == sensor)
    least = np.maximum(detection_probability, frame.sensor_model.detection_probability)
    return np.where(initiated_here, least, detection_probability)


def updated_status(
    records: TrackRecords, detected: Booleans, missed: Booleans, sensor: int, model: TrackerModel
) -> Integers:
    """Return the statuses after this scan (n,).

    A confirmed track coasts if it was missed, or if the sensor of its last detection does not detect it any more. A
    track out of another sensor's view keeps its status.
    """
    confirmed = (records.status != _NEW) | (detected & (records.score >= log_odds(model.confirm_probability)))
    coasting = missed | (~detected & (records.sensor == sensor))
    status = np.where(coasting, _COASTING, np.where(detected, _TRACKED, records.status))
    return np.where(confirmed, status, _NEW)


def coasted_out(records: TrackRecords, time_ns: int, model: TrackerModel) -> Booleans:
    """Return which tracks (n,) have gone without a detection for longer than `max_coast_s`."""
    late: Booleans = (time_ns - records.measured_ns) > round(model.max_coast_s * NS_PER_S)
    return late


def lost_reason(records: TrackRecords, too_old: Booleans, model: TrackerModel) -> Integers:
    """Return the reason (n,) for deleting each track, NONE for those that are kept."""
    new = records.status == _NEW
    floor = np.where(new, records.initial_score + np.log(model.new_odds_kept), log_odds(model.delete_probability))
    disproved = np.where(new, _NOT_CONFIRMED, _MISSED)
    return np.where(too_old, _TOO_OLD, np.where(records.score < floor, disproved, _NONE))


def log_odds(p: float) -> float:
    """Return ln(p / (1 - p))."""
    return float(np.log(p) - np.log1p(-p))


def _odds_against(score: Floats) -> Floats:
    """Return exp(-score), without overflow however small the score."""
    odds: Floats = np.exp(-np.maximum(score, _MIN_SCORE))
    return odds

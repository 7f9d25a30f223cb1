"""A track's life: the odds that it exists, what they make of it, and when it is given up.

The odds are those of integrated probabilistic data association (Musicki, Evans and Stankovic, "Integrated Probabilistic
Data Association", IEEE Trans. AC 39(6), 1994) for one detection a track, kept as logarithms; the thresholds are those
of a sequential probability ratio test (Blackman and Popoli, "Design and Analysis of Modern Tracking Systems", 1999,
section 6.2).
"""

import numpy as np

from svc_tracker.domain.frame import Frame, SensorStatus
from svc_tracker.domain.model import TrackerModel
from svc_tracker.domain.state.records import Records
from svc_tracker.domain.state.tracks import LostReason, TrackStatus
from svc_tracker.domain.state.types import Booleans, Floats, Integers

NS_PER_S = 1_000_000_000
# As plain numbers: an enumeration's members cost more to reach than a small array to compare.
_NEW, _TRACKED, _COASTING = int(TrackStatus.NEW), int(TrackStatus.TRACKED), int(TrackStatus.COASTING)
_NONE, _NOT_CONFIRMED = int(LostReason.NONE), int(LostReason.NOT_CONFIRMED)
_MISSED, _TOO_OLD = int(LostReason.MISSED), int(LostReason.TOO_OLD)
# What of a gain is left to the most doubtful track.
_LEAST_GAIN_SHARE = 1e-3
# Below it odds are nought, and their inverses would overflow.
_LEAST_SCORE = -600.0
# A sensor that is said never to detect anything there has detected something.
_LEAST_DETECTION_PROBABILITY = 1e-3


def survive(score: Floats, dt_s: float, model: TrackerModel) -> Floats:
    """Return the scores dt_s later: existence p becomes s p, with s = exp(-dt / mean lifetime) to survive.

    In odds: s p / (1 - s p) = s / (1 - s + exp(-score)). So the odds have a ceiling, and a long past does not outweigh
    what is seen now.
    """
    if dt_s == 0.0:
        return score
    ratio = dt_s / model.mean_lifetime_s
    later: Floats = -ratio - np.log(-np.expm1(-ratio) + _odds_against(score))
    return later


def new_per_scan(frame: Frame, model: TrackerModel) -> float:
    """Return how many things are expected to be detected for the first time."""
    return model.births_per_scan + model.new_share * frame.sensor_model.clutter_per_scan


def extraneous_per_scan(frame: Frame, model: TrackerModel) -> float:
    """Return how many detections that are no track's are expected: the false and the new."""
    return frame.sensor_model.clutter_per_scan + new_per_scan(frame, model)


def birth_score(frame: Frame, model: TrackerModel) -> float:
    """Return the score of a track of one detection: new against false ones, at best even."""
    new = new_per_scan(frame, model)
    return float(np.log(new) - np.log(max(frame.sensor_model.clutter_per_scan, new)))


def hit_evidence(detected: Floats, log_likelihood: Floats, log_extraneous: Floats) -> Floats:
    """Return how much a detection speaks for its track: ln(Pd N / lambda)."""
    evidence: Floats = np.log(np.maximum(detected, _LEAST_DETECTION_PROBABILITY)) + log_likelihood - log_extraneous
    return evidence


def miss_evidence(detected: Floats, model: TrackerModel) -> Floats:
    """Return how much a scan without a detection in the gate speaks for a track: ln(1 - Pd Pgate) <= 0."""
    evidence: Floats = np.log1p(-detected * model.gate_probability)
    return evidence


def assignment_gain(score: Floats, evidence: Floats, detected: Floats, model: TrackerModel) -> Floats:
    """Return what an assignment gains over none: ln(Pd N / lambda) - ln(1 - Pd), weighed down by doubt.

    A track that hardly exists gains less by ln p, p being its existence, so that it takes no detection from one that
    does; it still gains something wherever the detection is likelier its own than not.
    """
    gain = evidence - miss_evidence(detected, model)
    log_exists = -np.log1p(_odds_against(score))
    return np.where(gain > 0.0, np.maximum(gain + log_exists, _LEAST_GAIN_SHARE * gain), 0.0)


def accountable(record: Records, detected: Floats, frame: Frame, sensor: int) -> Floats:
    """Return how likely (n,) the frame was to see each track, 0 where its silence tells nothing.

    A sensor that did not work, or left detections out, tells nothing; nor does one about what it cannot see, except of
    a new track that it began itself: where that went is no more than a guess.
    """
    if frame.status is not SensorStatus.OK or frame.truncated:
        return np.zeros(len(record))
    begun_here = (record["status"] == _NEW) & (record["sensor"] == sensor)
    return np.where(begun_here, np.maximum(detected, frame.sensor_model.detection_probability), detected)


def status_after(record: Records, seen: Booleans, unseen: Booleans, sensor: int, model: TrackerModel) -> Integers:
    """Return the statuses that the scores and this scan make.

    A confirmed track coasts that was missed, or that the sensor which saw it last sees no more; what another sensor
    cannot see leaves its status alone.
    """
    confirmed = (record["status"] != _NEW) | (seen & (record["score"] >= log_odds(model.confirm_probability)))
    coasting = unseen | (~seen & (record["sensor"] == sensor))
    status = np.where(coasting, _COASTING, np.where(seen, _TRACKED, record["status"]))
    return np.where(confirmed, status, _NEW)


def lapsed(record: Records, time_ns: int, model: TrackerModel) -> Booleans:
    """Return which tracks were not measured for too long."""
    late: Booleans = (time_ns - record["measured_ns"]) > round(model.max_coast_s * NS_PER_S)
    return late


def lost_reason(record: Records, too_old: Booleans, model: TrackerModel) -> Integers:
    """Return why each track is given up, NONE for those that are not."""
    new = record["status"] == _NEW
    floor = np.where(new, record["birth_score"] + np.log(model.new_odds_kept), log_odds(model.delete_probability))
    disproved = np.where(new, _NOT_CONFIRMED, _MISSED)
    return np.where(too_old, _TOO_OLD, np.where(record["score"] < floor, disproved, _NONE))


def log_odds(p: float) -> float:
    """Return ln(p / (1 - p))."""
    return float(np.log(p) - np.log1p(-p))


def _odds_against(score: Floats) -> Floats:
    """Return exp(-score), without overflow however small the score."""
    odds: Floats = np.exp(-np.maximum(score, _LEAST_SCORE))
    return odds

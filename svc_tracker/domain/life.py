"""A track's life: the odds that it exists, what they make of it, and when it is given up.

The odds are those of integrated probabilistic data association (Musicki, Evans and Stankovic, "Integrated Probabilistic
Data Association", IEEE Trans. AC 39(6), 1994) for one detection a track, kept as logarithms.
"""

from dataclasses import replace

import numpy as np

from svc_tracker.domain.arrays import Booleans, Floats
from svc_tracker.domain.frame import Frame, SensorStatus
from svc_tracker.domain.measurement import in_view
from svc_tracker.domain.model import TrackerModel
from svc_tracker.domain.tracks import Tracks, TrackStatus

NS_PER_S = 1_000_000_000


def survive(score: Floats, dt_s: float, model: TrackerModel) -> Floats:
    """Return the scores dt_s later: existence p becomes s p, with s = exp(-dt / mean lifetime) to survive.

    In odds: s p / (1 - s p) = s / (1 - s + exp(-score)). So the odds have a ceiling, and a long past does not outweigh
    what is seen now.
    """
    if dt_s == 0.0:
        return score
    ratio = dt_s / model.mean_lifetime_s
    later: Floats = -ratio - np.logaddexp(np.log(-np.expm1(-ratio)), -score)
    return later


def birth_score(frame: Frame, model: TrackerModel) -> float:
    """Return the score of a track of one detection: new against false ones, at best even."""
    false = max(frame.sensor_model.clutter_per_scan, model.births_per_scan)
    return float(np.log(model.births_per_scan) - np.log(false))


def miss_evidence(frame: Frame, model: TrackerModel) -> float:
    """Return how much a scan without a detection in the gate speaks for a track in view: ln(1 - Pd Pgate) < 0."""
    return float(np.log1p(-frame.sensor_model.detection_probability * model.gate_probability))


def missed(tracks: Tracks, seen: Booleans, frame: Frame, sensor: int) -> Booleans:
    """Return which tracks the frame should have seen and did not.

    A sensor that did not work, or left detections out, tells nothing by its silence; nor about what is out of its view,
    except of a new track that it began itself: where that went is no more than a guess.
    """
    if frame.status is not SensorStatus.OK or frame.truncated:
        return np.zeros(len(tracks), dtype=np.bool_)
    begun_here = (tracks.status == TrackStatus.NEW) & (tracks.sensor == sensor)
    answerable: Booleans = in_view(tracks.state[:3], frame) | begun_here
    return answerable & ~seen


def judge(tracks: Tracks, seen: Booleans, unseen: Booleans, sensor: int, model: TrackerModel) -> Tracks:
    """Return the tracks with the status that their scores and this scan make.

    A confirmed track coasts that was missed, or that the sensor which saw it last sees no more; what another sensor
    cannot see leaves its status alone.
    """
    confirmed = (tracks.status != TrackStatus.NEW) | (seen & (tracks.score >= _log_odds(model.confirm_probability)))
    coasting = unseen | (~seen & (tracks.sensor == sensor))
    status = np.where(coasting, TrackStatus.COASTING, np.where(seen, TrackStatus.TRACKED, tracks.status))
    return replace(tracks, status=np.where(confirmed, status, TrackStatus.NEW))


def lapsed(tracks: Tracks, time_ns: int, model: TrackerModel) -> Booleans:
    """Return which tracks were not measured for too long."""
    return (time_ns - tracks.measured_ns) > round(model.max_coast_s * NS_PER_S)


def disproved(tracks: Tracks, model: TrackerModel) -> Booleans:
    """Return which tracks' odds have fallen too low."""
    floor = np.where(
        tracks.status == TrackStatus.NEW,
        tracks.birth_score + np.log(model.new_odds_kept),
        _log_odds(model.delete_probability),
    )
    return tracks.score < floor


def _log_odds(p: float) -> float:
    return float(np.log(p) - np.log1p(-p))

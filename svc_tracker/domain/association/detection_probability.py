"""Detection probability of each track in a scan: coverage, blind sectors, radial speed and the strength of the echo."""

import numpy as np
from scipy.special import erfc

from svc_tracker.domain.frame import Frame, SwerlingCase
from svc_tracker.domain.state.types import BEARING, RANGE, Booleans, Floats, Layout, PredictedMeasurement


def detection_probability(predicted: PredictedMeasurement, rcs_dbsm: Floats, frame: Frame, layout: Layout) -> Floats:
    """Return the probability (n,) that this scan detects each track, of mean cross sections `rcs_dbsm` (n,).

    0 outside the sensor's coverage, in a blind sector, and below its minimum radial speed over ground.
    """
    model, mean, d = frame.sensor_model, predicted.mean, layout.axes
    range_m = predicted.z[RANGE]
    visible = (range_m >= model.min_range_m) & (range_m <= model.max_range_m)
    if model.coverage.width_deg < 360.0 or frame.blind_sectors:
        bearing_deg = np.degrees(predicted.z[BEARING])
        visible &= model.coverage.contains(bearing_deg)
        for sector in frame.blind_sectors:
            visible &= ~sector.contains(bearing_deg)
    if d == 3:
        visible &= _in_elevation(mean, frame)
    if model.min_radial_speed_mps > 0.0:
        over_ground = np.einsum("dn,dn->n", predicted.H[RANGE, :d], mean[d:])
        visible &= np.abs(over_ground) >= model.min_radial_speed_mps
    if model.range_ref_m > 0.0 and model.false_alarm_probability > 0.0:
        # A difference of logarithms: a ratio may overflow.
        loss_db = 40.0 * (np.log10(np.maximum(range_m, 1.0)) - np.log10(model.range_ref_m))
        snr_db = model.snr_ref_db + rcs_dbsm - model.rcs_ref_dbsm - loss_db
        return np.where(visible, _single_pulse(snr_db, model.false_alarm_probability, model.swerling), 0.0)
    return np.where(visible, model.detection_probability, 0.0)


def _in_elevation(mean: Floats, frame: Frame) -> Booleans:
    east, north, up = mean[:3] - frame.sensor_position_m[:, None]
    elev_deg = np.degrees(np.arctan2(up, np.hypot(east, north)))
    within: Booleans = (elev_deg >= frame.sensor_model.min_elev_deg) & (elev_deg <= frame.sensor_model.max_elev_deg)
    return within


def _single_pulse(snr_db: Floats, false_alarm_probability: float, swerling: SwerlingCase) -> Floats:
    """Return the probability of detection (n,) of one heartbeat with these mean signal-to-noise ratios.

    With X the ratio and t = -ln Pfa: Swerling 1 exp(-t / (1 + X)); Swerling 3 (1 + t (X / 2) / (1 + X / 2)^2) exp(-t /
    (1 + X / 2)); without fluctuation North's approximation erfc(sqrt t - sqrt(X + 1/2)) / 2 (Richards, "Fundamentals
    of Radar Signal Processing", 2nd ed., sections 6.3 and 6.4).
    """
    X, t = 10.0 ** (np.clip(snr_db, -100.0, 100.0) / 10.0), -np.log(false_alarm_probability)
    probability: Floats = np.exp(-t / (1.0 + X))
    if swerling is SwerlingCase.CASE_0:
        probability = 0.5 * erfc(np.sqrt(t) - np.sqrt(X + 0.5))
    if swerling is SwerlingCase.CASE_3:
        half = 1.0 + X / 2.0
        probability = np.minimum((1.0 + t * (X / 2.0) / half**2) * np.exp(-t / half), 1.0)
    return probability

"""Echo strength, fluctuation, and probability of passing the threshold."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from svc_radar.domain.model import RadarModel, SwerlingCase
from svc_radar.domain.scene import Floats, Polar

# Ratios of this many decibels and their roots and sums are finite.
MAX_DECIBELS: Final = 300.0
# Ratio that a radar with a constant probability of detection reports for an echo lost in the noise.
MIN_MEASURED_SNR: Final = 1e-2
# False alarm probability that sets the strength of false detections where the model has none.
USUAL_FALSE_ALARM_PROBABILITY: Final = 1e-6
# A steady echo with an amplitude this many noise amplitudes above the threshold is missed less than once in 1e35.
_SURE_AMPLITUDE: Final = 9.0
_MAX_TERMS: Final = 1_000


@dataclass(frozen=True, slots=True, eq=False)
class EchoDraws:
    """The random numbers of n echoes: standard exponential (n, 2), standard normal (n, 2)."""

    fluctuation: Floats
    noise: Floats


def draw_echoes(rng: np.random.Generator, count: int) -> EchoDraws:
    """Return the draws of `count` echoes, independent of their detection."""
    return EchoDraws(rng.standard_exponential((count, 2)), rng.standard_normal((count, 2)))


def mean_snr_db(model: RadarModel, rcs_dbsm: Floats, seen: Polar) -> Floats:
    """Return the mean signal to noise ratio of targets (n,) of these cross sections, in decibels, as means over scans.

    The radar equation relative to a reference: SNR = SNR_ref + (RCS - RCS_ref) - 40 log10(R / R_ref) - L(direction);
    Skolnik, "Introduction to Radar Systems", ch. 1 and 2. A target at range 0 counts as at 1 m.
    """
    range_m = np.where(seen.range_m > 0.0, seen.range_m, 1.0)
    relative_rcs_db = rcs_dbsm - model.rcs_ref_dbsm
    return model.snr_ref_db + relative_rcs_db - path_loss_db(model, range_m) - pattern_loss_db(model, seen)


def path_loss_db(model: RadarModel, range_m: Floats) -> Floats:
    """Return the loss in decibels of echoes from these positive ranges, relative to the reference range."""
    # A difference of logarithms, not the logarithm of a ratio, which can underflow to zero.
    loss_db: Floats = 40.0 * (np.log10(range_m) - np.log10(model.range_ref_m))
    return loss_db


def pattern_loss_db(model: RadarModel, seen: Polar) -> Floats:
    """Return the two-way loss in decibels of directions (n,) off the pattern's peak.

    A Gaussian beam of full half-power width w loses 12 (x / w)^2 decibels one way at the angle x from its peak, which
    is 3 dB at w / 2, and twice that there and back: Skolnik, "Introduction to Radar Systems", 2nd ed., ch. 7.
    """
    pattern = model.pattern
    loss_db = np.zeros(len(seen.range_m))
    if pattern.elev_width_deg:
        loss_db += 24.0 * np.square((seen.elev_deg - pattern.elev_deg) / pattern.elev_width_deg)
    if pattern.bearing_width_deg:
        off_deg = np.mod(seen.bearing_deg - pattern.bearing_deg + 180.0, 360.0) - 180.0
        loss_db += 24.0 * np.square(off_deg / pattern.bearing_width_deg)
    return loss_db


def received_power(swerling: SwerlingCase, mean_snr: Floats, draws: EchoDraws) -> Floats:
    """Return the power (n,) of echo and noise after a square-law detector, in units of the mean noise power.

    For an echo of power s the detector gives |sqrt(s) + n|^2 with n complex Gaussian of unit power. s is S itself (case
    0), S times an exponential variate (case 1), S times the mean of two of them (case 3): Swerling, "Probability of
    detection for fluctuating targets", IRE Trans. IT 6(2), 1960.
    """
    s = mean_snr
    if swerling is SwerlingCase.CASE_1:
        s = mean_snr * draws.fluctuation[:, 0]
    elif swerling is SwerlingCase.CASE_3:
        s = mean_snr * (draws.fluctuation[:, 0] + draws.fluctuation[:, 1]) / 2.0
    in_phase, quadrature = draws.noise.T / math.sqrt(2.0)
    power: Floats = np.square(np.sqrt(s) + in_phase) + np.square(quadrature)
    return power


def measured_snr(power: Floats) -> Floats:
    """Return the radar's estimate of the signal to noise ratio: the received power minus the mean noise power."""
    return np.maximum(power - 1.0, MIN_MEASURED_SNR)


def threshold(model: RadarModel) -> float:
    """Return the received power that noise alone exceeds with the false alarm probability: T = -ln Pfa."""
    return -math.log(model.false_alarm_probability or USUAL_FALSE_ALARM_PROBABILITY)


def reference_probability(model: RadarModel, noise_db: float = 0.0) -> float:
    """Return the detection probability of the reference target at its range, with the noise raised by `noise_db`."""
    if not model.physical:
        return model.detection_probability
    return detection_probability(model.swerling, ratio(model.snr_ref_db - noise_db), threshold(model))


def detection_probability(swerling: SwerlingCase, snr: float, T: float) -> float:
    """Return the probability that the received power of one heartbeat of mean ratio `snr` exceeds T = -ln Pfa.

    Case 0: Marcum's Q(sqrt(2 S), sqrt(2 T)). Case 1: exp(-T / (1 + S)). Case 3, with p = 1 / (1 + S / 2):
    exp(-p T) (1 + p (1 - p) T). Mahafza, "Radar Systems Analysis and Design Using MATLAB"; Swerling (1960).
    """
    if swerling is SwerlingCase.CASE_1:
        return math.exp(-T / (1.0 + snr))
    if swerling is SwerlingCase.CASE_3:
        p = 1.0 / (1.0 + snr / 2.0)
        return min(1.0, math.exp(-p * T) * (1.0 + p * (1.0 - p) * T))
    return marcum_q(snr, T)


def marcum_q(snr: float, T: float) -> float:
    """Return Q(sqrt(2 S), sqrt(2 T)), for T up to 30 or so.

    A steady echo's received power is a gamma variate of shape k + 1, with k Poisson of mean S; so with the Poisson
    weights w_k(x) = exp(-x) x^k / k!, Q = sum over k of w_k(S) (w_0(T) + ... + w_k(T)).
    """
    if math.sqrt(snr) > math.sqrt(T) + _SURE_AMPLITUDE:
        return 1.0
    weight, term = math.exp(-snr), math.exp(-T)
    below, total = term, weight * term
    for k in range(1, _MAX_TERMS):
        weight *= snr / k
        term *= T / k
        below += term
        total += weight * below
        if k > snr and weight < 1e-17:
            break
    return min(1.0, total)


def ratio(decibels: float) -> float:
    """Convert decibels to a power ratio."""
    return float(10.0 ** (min(max(decibels, -MAX_DECIBELS), MAX_DECIBELS) / 10.0))


def ratios(decibels: Floats) -> Floats:
    """Convert decibels (n,) to power ratios (n,)."""
    power: Floats = 10.0 ** (np.clip(decibels, -MAX_DECIBELS, MAX_DECIBELS) / 10.0)
    return power

"""Measurement noise: random errors that depend on the signal-to-noise ratio, and constant biases."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from svc_radar.domain.model import RadarModel
from svc_radar.domain.scene import Floats, Polar
from svc_radar.domain.signal import ratio

# A noisy range can reach zero, which is not a valid detection.
MIN_REPORTED_RANGE_M: Final = 1e-3
# The slope of a monopulse antenna's error signal: Curry, "Radar System Performance Modeling".
MONOPULSE_SLOPE: Final = 1.6


@dataclass(frozen=True, slots=True, eq=False)
class Sigmas:
    """Standard deviations of n measurements, each array (n,); 0 for unmeasured quantities."""

    range_m: Floats
    bearing_deg: Floats
    elev_deg: Floats
    vr_mps: Floats


def sigmas(model: RadarModel, snr: Floats) -> Sigmas:
    """Return the standard deviations of measurements at these positive signal-to-noise ratios (n,).

    sigma = resolution / (k sqrt(2 SNR)), at least the model's sigma, which covers the errors independent of the echo; k
    is 1 for range and radial velocity, 1.6 for the angles: Barton and Ward, "Handbook of Radar Measurement" (1969);
    Skolnik, "Introduction to Radar Systems", 2nd ed., ch. 11.
    """
    better = np.sqrt(2.0 * snr)
    angle = MONOPULSE_SLOPE * better
    none = np.zeros(len(snr))
    elev_deg = np.maximum(model.elev_sigma_deg, model.elev_resolution_deg / angle)
    vr_mps = np.maximum(model.vr_sigma_mps, model.vr_resolution_mps / better)
    return Sigmas(
        range_m=np.maximum(model.range_sigma_m, model.range_resolution_m / better),
        bearing_deg=np.maximum(model.bearing_sigma_deg, model.bearing_resolution_deg / angle),
        elev_deg=none if model.no_elevation else elev_deg,
        vr_mps=none if model.no_radial_velocity else vr_mps,
    )


def reference_sigmas(model: RadarModel) -> tuple[float, float, float, float]:
    """Return the standard deviations of range, bearing, elevation and radial velocity of the reference target."""
    found = sigmas(model, np.array([ratio(model.snr_ref_db)]))
    return tuple(float(column[0]) for column in (found.range_m, found.bearing_deg, found.elev_deg, found.vr_mps))  # type: ignore[return-value]  # four of them


def measured(model: RadarModel, truth: Polar, sigma: Sigmas, noise: Floats, bias: tuple[float, float]) -> Polar:
    """Return the radar's measurements (n,) of the truth (n,).

    `noise` (n, 4) are standard normal draws; `bias` is added to every range in metres and bearing in degrees.
    """
    range_m = truth.range_m + bias[0] + sigma.range_m * noise[:, 0]
    bearing_deg = truth.bearing_deg + bias[1] + sigma.bearing_deg * noise[:, 1]
    elev_deg = truth.elev_deg + sigma.elev_deg * noise[:, 2]
    bearing_deg, elev_deg = over_the_pole(bearing_deg, elev_deg)
    none = np.zeros(len(range_m))
    return Polar(
        range_m=np.maximum(np.abs(range_m), MIN_REPORTED_RANGE_M),
        bearing_deg=wrapped(bearing_deg),
        elev_deg=none if model.no_elevation else elev_deg,
        vr_mps=none if model.no_radial_velocity else truth.vr_mps + sigma.vr_mps * noise[:, 3],
    )


def over_the_pole(bearing_deg: Floats, elev_deg: Floats) -> tuple[Floats, Floats]:
    """Return the same directions with elevation in [-90, 90].

    A direction beyond the zenith or nadir has the opposite bearing.
    """
    from_nadir_deg = np.mod(elev_deg + 90.0, 360.0)
    other_side = from_nadir_deg > 180.0
    beyond = (elev_deg < -90.0) | (elev_deg > 90.0)
    # Only directions beyond are converted: the conversion would round the others.
    folded_deg = np.where(other_side, 270.0 - from_nadir_deg, from_nadir_deg - 90.0)
    return (
        np.where(beyond & other_side, bearing_deg + 180.0, bearing_deg),
        np.where(beyond, folded_deg, elev_deg),
    )


def wrapped(bearing_deg: Floats) -> Floats:
    """Return bearings in [0, 360)."""
    turned = np.mod(bearing_deg, 360.0)
    # The remainder of a tiny negative angle rounds up to 360 itself.
    return np.where(turned < 360.0, turned, 0.0)


def reported_position_m(model: RadarModel, position_m: Floats, noise: Floats) -> Floats:
    """Return the own position (3,) that the radar reports, with errors from standard normal `noise` (3,)."""
    return position_m + model.pose_sigma_m * noise


def pose_covariance(model: RadarModel) -> tuple[float, ...]:
    """Return the covariance of the reported position in square metres: xx, xy, xz, yy, yz, zz; empty if exact."""
    variance = math.pow(model.pose_sigma_m, 2.0)
    return (variance, 0.0, 0.0, variance, 0.0, variance) if variance else ()

"""False detections: their number, positions and strengths."""

import numpy as np

from svc_radar.domain.measurement_noise import MIN_REPORTED_RANGE_M, wrapped
from svc_radar.domain.model import RadarModel
from svc_radar.domain.scene import Floats, Polar
from svc_radar.domain.signal import measured_snr, threshold


def draw_clutter(model: RadarModel, rng: np.random.Generator) -> tuple[Polar, Floats]:
    """Return the false detections (m,), with m Poisson-distributed, and their signal to noise ratios (m,).

    They are uniform in the measurement space, which is the clutter model of trackers: Bar-Shalom, Willett and Tian,
    "Tracking and Data Fusion" (2011). Noise power after a square-law detector is exponential with mean 1, and so is its
    excess over the threshold, because the exponential distribution is memoryless.
    """
    count = int(rng.poisson(model.expected_clutter))
    range_m = rng.uniform(model.min_range_m, model.max_range_m, count)
    turned_deg = rng.uniform(0.0, model.coverage.width_deg, count)
    elev_deg = rng.uniform(model.min_elev_deg, model.max_elev_deg, count)
    vr_mps = rng.uniform(-model.clutter_max_vr_mps, model.clutter_max_vr_mps, count)
    power = threshold(model) + rng.standard_exponential(count)
    none = np.zeros(count)
    measured = Polar(
        range_m=np.maximum(range_m, MIN_REPORTED_RANGE_M),
        bearing_deg=wrapped(model.coverage.start_deg + turned_deg),
        elev_deg=none if model.no_elevation else elev_deg,
        vr_mps=none if model.no_radial_velocity else vr_mps,
    )
    return measured, measured_snr(power)

"""Beam position over the scan, and visibility of targets."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from svc_radar.domain.model import RadarModel, ScanKind
from svc_radar.domain.scene import Booleans, Floats, Platform, Polar, Targets, polar

EARTH_RADIUS_M: Final = 6_371_000.0
# Standard refraction bends a ray as if the Earth were larger: Skolnik, "Introduction to Radar Systems", ch. 8.
EFFECTIVE_EARTH: Final = 4.0 / 3.0
# Each round reduces the error by the ratio of the target's angular speed to the beam's.
_ROUNDS: Final = 2


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """Beam pass over n targets: their positions then, and the times of the pass in seconds from the scan's end."""

    truth: Polar
    time_offset_s: Floats


def look(model: RadarModel, platform: Platform, targets: Targets) -> Look:
    """Return the position of each of the targets (n,), in view or not, and the time when the beam passes it.

    Targets and platform are assumed to move straight during the scan, with their velocity at its end: within a scan of
    T seconds an acceleration a causes an error of at most a T^2 / 2. With a clock that is fast by the model's bias, the
    position at the reported time is an earlier one.
    """
    time_offset_s = np.zeros(len(targets))
    if model.scan_kind is not ScanKind.STARING:
        for _ in range(_ROUNDS):
            time_offset_s = passage_s(model, polar(platform, targets, time_offset_s).bearing_deg)
    return Look(polar(platform, targets, time_offset_s - model.bias.time_s), time_offset_s)


def passage_s(model: RadarModel, bearing_deg: Floats) -> Floats:
    """Return the times at which the beam is at these bearings, in seconds from the scan's end, in [-scan_period_s, 0].

    A rotating beam starts in the north, a sector beam at the sector's start, and both turn clockwise; a staring radar
    sees all directions at the end. Outside the sector, the time of a sector beam is that of the sector's end.
    """
    if model.scan_kind is ScanKind.STARING:
        return np.zeros(len(bearing_deg))
    if model.scan_kind is ScanKind.ROTATING:
        turned = np.mod(bearing_deg, 360.0) / 360.0
    else:
        turned = model.coverage.turned_deg(bearing_deg) / model.coverage.width_deg
    return model.scan_period_s * (np.minimum(turned, 1.0) - 1.0)


def in_coverage(model: RadarModel, seen: Polar) -> Booleans:
    """Return which directions and ranges (n,) are in the radar's coverage."""
    # A target at range 0 has no direction.
    in_range = (seen.range_m > 0.0) & (seen.range_m >= model.min_range_m) & (seen.range_m <= model.max_range_m)
    in_elevation = (seen.elev_deg >= model.min_elev_deg) & (seen.elev_deg <= model.max_elev_deg)
    return in_range & in_elevation & model.coverage.holds(seen.bearing_deg)


def above_horizon(model: RadarModel, platform: Platform, targets: Targets) -> Booleans:
    """Return which of the targets (n,) are above the radar horizon at the end of the scan.

    A target at height h is in sight at ground distances up to sqrt(2 k a h) + sqrt(2 k a h_radar), with k a the Earth's
    effective radius: Skolnik, "Introduction to Radar Systems", ch. 8. The local frame is flat: at a distance d from its
    origin the Earth's surface is d^2 / (2 a) below the frame's level; a lower target counts as on the surface.
    """
    if model.horizon_surface_m is None:
        return np.ones(len(targets), dtype=np.bool_)
    radius_m = EFFECTIVE_EARTH * EARTH_RADIUS_M
    east, north, _up = (targets.position_m - platform.position_m).T
    own_height_m = _heights_m(model.horizon_surface_m, platform.position_m.reshape(1, 3))
    height_m = _heights_m(model.horizon_surface_m, targets.position_m)
    sight_m = np.sqrt(2.0 * radius_m * own_height_m) + np.sqrt(2.0 * radius_m * height_m)
    visible: Booleans = np.hypot(east, north) <= sight_m
    return visible


def passes_notch(model: RadarModel, platform: Platform, seen: Polar) -> Booleans:
    """Return which targets (n,) reach the minimum radial speed over the ground that the clutter filter passes."""
    bearing, elev = np.radians(seen.bearing_deg), np.radians(seen.elev_deg)
    east, north, up = platform.velocity_mps
    own_mps = np.cos(elev) * (east * np.sin(bearing) + north * np.cos(bearing)) + up * np.sin(elev)
    passes: Booleans = np.abs(seen.vr_mps + own_mps) >= model.min_radial_speed_mps
    return passes


def _heights_m(surface_m: float, position_m: Floats) -> Floats:
    east, north, up = position_m.T
    height_m: Floats = up - surface_m + (np.square(east) + np.square(north)) / (2.0 * EARTH_RADIUS_M)
    return np.maximum(height_m, 0.0)

"""Relative position: range, bearing, elevation and radial velocity of each track from the own ship."""

from dataclasses import dataclass

import numpy as np

from svc_tracker.domain.state.types import Floats
from svc_tracker.domain.table import TrackTable


@dataclass(frozen=True, slots=True, eq=False)
class Relative:
    """n tracks relative to the own ship, each array (n,); at range 0 the other values are 0."""

    range_m: Floats
    bearing_deg: Floats
    elev_deg: Floats
    vr_mps: Floats


def relative(table: TrackTable, own_position_m: Floats, own_velocity_mps: Floats) -> Relative:
    """Return the tracks relative to an own ship of this position and velocity, each (3,) in ENU.

    With r and v the relative position and velocity: range R = |r|, bearing = atan2(east, north) in [0, 360),
    elevation = atan2(up, |(east, north)|), radial velocity dR/dt = v . r / R, negative when closing.
    """
    east, north, up = (table.position_m - own_position_m).T
    velocity = table.velocity_mps - own_velocity_mps
    ground_m = np.hypot(east, north)
    range_m = np.hypot(ground_m, up)
    unit = np.where(range_m > 0.0, range_m, 1.0)
    bearing_deg = np.mod(np.degrees(np.arctan2(east, north)), 360.0)
    return Relative(
        range_m=range_m,
        bearing_deg=np.where(bearing_deg < 360.0, bearing_deg, 0.0),
        elev_deg=np.degrees(np.arctan2(up, ground_m)),
        vr_mps=(velocity[:, 0] * east + velocity[:, 1] * north + velocity[:, 2] * up) / unit,
    )

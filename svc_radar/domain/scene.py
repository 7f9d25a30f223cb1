"""The scene: the radar's platform, its targets, and their positions relative to the platform."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
import numpy.typing as npt

from svc_radar.domain.limits import MAX_MAGNITUDE

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.intp]

# Deviation from the unit norm by rounding and integration; a larger one is an error.
_UNIT_NORM_TOLERANCE: Final = 1e-6


class TransponderMode(IntEnum):
    """A transponder's response to an interrogation; the numbers are those on the wire."""

    OFF = 0
    ON = 1
    SILENT = 2
    SPOOF = 3


@dataclass(frozen=True, slots=True, eq=False)
class Platform:
    """The radar's platform in the local ENU frame: position (3,), velocity (3,), attitude (4,) as w, x, y, z.

    The attitude rotates body into ENU. Raises ValueError, beginning with the array's name, unless all are float64,
    finite and within 1e15, and the attitude is a unit quaternion.
    """

    position_m: Floats
    velocity_mps: Floats
    attitude: Floats

    def __post_init__(self) -> None:
        _require_floats("position_m", self.position_m, (3,))
        _require_floats("velocity_mps", self.velocity_mps, (3,))
        _require_floats("attitude", self.attitude, (4,))
        norm = float(np.sqrt(np.sum(np.square(self.attitude))))
        if abs(norm - 1.0) > _UNIT_NORM_TOLERANCE:
            raise ValueError(f"attitude must be a unit quaternion, not one of norm {norm}")


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """n targets in the local ENU frame: position and velocity (n, 3), mean RCS and transponder mode (n,), n identities.

    `transponder_id` is the identity in a target's replies, its own or a false one. Raises ValueError, beginning with
    the array's name, unless the shapes agree, floats are float64, finite and within 1e15, and every mode is known.
    """

    position_m: Floats
    velocity_mps: Floats
    rcs_dbsm: Floats
    transponder_mode: Integers
    transponder_id: tuple[str, ...]

    def __post_init__(self) -> None:
        count = len(self.transponder_id)
        _require_floats("position_m", self.position_m, (count, 3))
        _require_floats("velocity_mps", self.velocity_mps, (count, 3))
        _require_floats("rcs_dbsm", self.rcs_dbsm, (count,))
        mode = self.transponder_mode
        if mode.shape != (count,) or mode.dtype.kind not in "iu":
            raise ValueError(f"transponder_mode must hold {count} integers, not {mode.dtype} of shape {mode.shape}")
        if not np.all((mode >= min(TransponderMode)) & (mode <= max(TransponderMode))):
            raise ValueError("transponder_mode holds a mode that is not known")

    def __len__(self) -> int:
        return len(self.transponder_id)


@dataclass(frozen=True, slots=True, eq=False)
class Polar:
    """n targets in polar coordinates from the platform, each array (n,); at `range_m` 0 the others have no meaning."""

    range_m: Floats
    bearing_deg: Floats
    elev_deg: Floats
    vr_mps: Floats

    def __getitem__(self, chosen: Indices | Booleans) -> "Polar":
        """Return the selected targets."""
        return Polar(self.range_m[chosen], self.bearing_deg[chosen], self.elev_deg[chosen], self.vr_mps[chosen])


def polar(platform: Platform, targets: Targets, after_s: Floats | float = 0.0) -> Polar:
    """Return the targets in polar coordinates from the platform, `after_s` (n,) or () later, if all move straight.

    With r the target's position and v its velocity, both relative to the platform: range R = |r|, bearing = atan2(east,
    north), elevation = atan2(up, |(east, north)|), radial velocity dR/dt = v . r / R. Bearing is in [-180, 180].
    """
    velocity_mps = targets.velocity_mps - platform.velocity_mps
    now_m = targets.position_m - platform.position_m
    east, north, up = (now_m + velocity_mps * np.reshape(after_s, (-1, 1))).T
    # hypot, not a root of squares: the squares of a tiny offset would underflow.
    ground_m = np.hypot(east, north)
    range_m = np.hypot(ground_m, up)
    unit_range_m = np.where(range_m > 0.0, range_m, 1.0)
    # Divide first: direction cosines keep their precision where products with a tiny position would underflow.
    vr_mps = (
        velocity_mps[:, 0] * (east / unit_range_m)
        + velocity_mps[:, 1] * (north / unit_range_m)
        + velocity_mps[:, 2] * (up / unit_range_m)
    )
    return Polar(
        range_m=range_m,
        bearing_deg=np.degrees(np.arctan2(east, north)),
        elev_deg=np.degrees(np.arctan2(up, ground_m)),
        vr_mps=vr_mps,
    )


def _require_floats(name: str, array: Floats, shape: tuple[int, ...]) -> None:
    if array.shape != shape or array.dtype != np.float64:
        raise ValueError(f"{name} must be float64 of shape {shape}, not {array.dtype} of shape {array.shape}")
    # A NaN fails the comparison.
    if not np.all(np.abs(array) <= MAX_MAGNITUDE):
        raise ValueError(f"{name} holds a value that is not finite or beyond {MAX_MAGNITUDE:g}")

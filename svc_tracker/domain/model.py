"""Tracker model: the parameters of motion, gating, existence and confirmation."""

from dataclasses import dataclass
from typing import Final

MAX_NOISE_M2PS3: Final = 1e9
MAX_SPEED_MPS: Final = 1e6
MAX_SPAN_S: Final = 1e9
MAX_TURN_RATE_DPS: Final = 90.0
MAX_MODES: Final = 8
MAX_TRACKS: Final = 100_000
MAX_DETECTIONS: Final = 100_000


def _require_above_zero(owner: object, name: str, most: float) -> None:
    value: float = getattr(owner, name)
    # A NaN is within no limits: it fails the comparison.
    if not 0.0 < value <= most:
        raise ValueError(f"{name} must be within (0, {most:g}], not {value}")


@dataclass(frozen=True, slots=True)
class Mode:
    """One motion mode: constant velocity or a clockwise turn at a constant rate, with white acceleration noise.

    The noise has these spectral densities, the horizontal one on each of two axes. The mode lasts `mean_stay_s` on
    average. Raises ValueError naming the field.
    """

    name: str
    turn_rate_dps: float
    horizontal_noise_m2ps3: float
    vertical_noise_m2ps3: float
    mean_stay_s: float

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("name must not be empty")
        if not abs(self.turn_rate_dps) <= MAX_TURN_RATE_DPS:
            raise ValueError(f"turn_rate_dps must be within {MAX_TURN_RATE_DPS:g}, not {self.turn_rate_dps}")
        _require_above_zero(self, "horizontal_noise_m2ps3", MAX_NOISE_M2PS3)
        _require_above_zero(self, "vertical_noise_m2ps3", MAX_NOISE_M2PS3)
        _require_above_zero(self, "mean_stay_s", MAX_SPAN_S)


DEFAULT_MODES: Final = (
    Mode("straight", 0.0, 0.35, 0.5, 150.0),
    Mode("turn_right", 4.0, 8.0, 1.0, 12.0),
    Mode("turn_left", -4.0, 8.0, 1.0, 12.0),
)


@dataclass(frozen=True, slots=True)
class TrackerModel:
    """The tracker's parameters. Raises ValueError naming the field.

    Motion: in space (`axes` 3) or in the plane (2, for radars without elevation), in one of `modes`, each of which is
    left for all others alike. The prior of each velocity component has mean 0 and these standard deviations.

    Gate: `gate_probability` is the probability that a target's own detection falls inside its track's gate.

    Existence: a detection of no existing track is of a new target with `new_target_probability`, else false; a scan
    without false detections has `birth_rate_per_scan` new targets on average. Targets live for `mean_lifetime_s` on
    average. A track is confirmed when its probability of existence reaches `confirm_probability`, and deleted when it
    falls below `delete_probability`; before confirmation, when its odds fall below `new_odds_kept` of its initial odds.
    A track without a detection for `max_coast_s` is deleted in any case: that must exceed the longest scan period.
    """

    axes: int = 3
    modes: tuple[Mode, ...] = DEFAULT_MODES
    horizontal_speed_sigma_mps: float = 120.0
    vertical_speed_sigma_mps: float = 20.0
    gate_probability: float = 0.9995
    new_target_probability: float = 0.002
    birth_rate_per_scan: float = 0.05
    mean_lifetime_s: float = 600.0
    confirm_probability: float = 0.6
    delete_probability: float = 0.1
    new_odds_kept: float = 0.15
    max_coast_s: float = 10.0
    max_tracks: int = 20_000
    max_detections: int = 20_000
    compiled: bool = False

    def __post_init__(self) -> None:
        if self.axes not in (2, 3):
            raise ValueError(f"axes must be 2 or 3, not {self.axes}")
        names = [mode.name for mode in self.modes]
        if not 1 <= len(names) <= MAX_MODES or len(set(names)) != len(names):
            raise ValueError(f"modes must be 1 to {MAX_MODES}, each with its own name, not {names}")
        for name in ("horizontal_speed_sigma_mps", "vertical_speed_sigma_mps"):
            _require_above_zero(self, name, MAX_SPEED_MPS)
        for name in (
            "gate_probability",
            "confirm_probability",
            "delete_probability",
            "new_odds_kept",
            "new_target_probability",
        ):
            value: float = getattr(self, name)
            if not 0.0 < value < 1.0:
                raise ValueError(f"{name} must be within (0, 1), not {value}")
        _require_above_zero(self, "birth_rate_per_scan", float(MAX_DETECTIONS))
        for name in ("mean_lifetime_s", "max_coast_s"):
            _require_above_zero(self, name, MAX_SPAN_S)
        for name, most in (("max_tracks", MAX_TRACKS), ("max_detections", MAX_DETECTIONS)):
            count: int = getattr(self, name)
            if not 1 <= count <= most:
                raise ValueError(f"{name} must be within [1, {most}], not {count}")
        if self.delete_probability >= self.confirm_probability:
            raise ValueError("delete_probability must be less than confirm_probability")

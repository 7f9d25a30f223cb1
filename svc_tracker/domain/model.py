"""What the tracker assumes about the things it follows, and how sure it wants to be."""

from dataclasses import dataclass
from typing import Final

MAX_NOISE_M2PS3: Final = 1e9
MAX_SPEED_MPS: Final = 1e6
MAX_SPAN_S: Final = 1e9
MAX_TRACKS: Final = 100_000
MAX_DETECTIONS: Final = 100_000
MAX_SCANS: Final = 1_000


@dataclass(frozen=True, slots=True)
class TrackerModel:
    """The tracker's parameters. Raises ValueError, which begins with the field's name.

    Motion: a nearly constant velocity, disturbed by white acceleration noise of these spectral densities (horizontally
    for each of east and north); before anything is measured, each component of the velocity has mean 0 and these
    standard deviations.

    Gate: the chance that a thing's own detection falls inside its track's gate.

    Life: `births_per_scan` things are expected to be first detected in a scan, and live for `mean_lifetime_s`. A track
    is confirmed when its probability of existence reaches `confirm_probability`, and given up when it falls below
    `delete_probability`; before it is confirmed, when its odds fall below `new_odds_kept` of those it was born with.
    Whatever was not measured for `max_coast_s`, in view of a sensor or not, is given up too: it must exceed the longest
    scan period.

    Identity: a track that has one takes another after hearing that other `identity_switch_replies` times in a row, and
    its transponder counts as silent after `transponder_silent_detections` detections in a row without a reply.
    """

    horizontal_noise_m2ps3: float = 15.0
    vertical_noise_m2ps3: float = 1.0
    horizontal_speed_sigma_mps: float = 150.0
    vertical_speed_sigma_mps: float = 20.0
    gate_probability: float = 0.9999
    births_per_scan: float = 0.05
    mean_lifetime_s: float = 1_000.0
    confirm_probability: float = 0.9999
    delete_probability: float = 0.01
    new_odds_kept: float = 0.02
    max_coast_s: float = 10.0
    identity_switch_replies: int = 3
    transponder_silent_detections: int = 3
    max_tracks: int = 10_000
    max_detections: int = 4_000

    def __post_init__(self) -> None:
        for name in ("horizontal_noise_m2ps3", "vertical_noise_m2ps3"):
            self._require_above_zero(name, MAX_NOISE_M2PS3)
        for name in ("horizontal_speed_sigma_mps", "vertical_speed_sigma_mps"):
            self._require_above_zero(name, MAX_SPEED_MPS)
        for name in ("gate_probability", "confirm_probability", "delete_probability", "new_odds_kept"):
            self._require_probability(name)
        self._require_above_zero("births_per_scan", float(MAX_DETECTIONS))
        for name in ("mean_lifetime_s", "max_coast_s"):
            self._require_above_zero(name, MAX_SPAN_S)
        for name in ("identity_switch_replies", "transponder_silent_detections"):
            self._require_count(name, MAX_SCANS)
        self._require_count("max_tracks", MAX_TRACKS)
        self._require_count("max_detections", MAX_DETECTIONS)
        if self.delete_probability >= self.confirm_probability:
            raise ValueError("delete_probability must be less than confirm_probability")

    # A NaN is within no limits: it fails every comparison below.

    def _require_above_zero(self, name: str, most: float) -> None:
        value: float = getattr(self, name)
        if not 0.0 < value <= most:
            raise ValueError(f"{name} must be within (0, {most:g}], not {value}")

    def _require_probability(self, name: str) -> None:
        value: float = getattr(self, name)
        if not 0.0 < value < 1.0:
            raise ValueError(f"{name} must be within (0, 1), not {value}")

    def _require_count(self, name: str, most: int) -> None:
        value: int = getattr(self, name)
        if not 1 <= value <= most:
            raise ValueError(f"{name} must be within [1, {most}], not {value}")

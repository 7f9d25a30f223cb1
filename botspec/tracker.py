"""Tracker settings: the motion modes of targets, and the probabilities at which tracks are confirmed or deleted."""

from collections.abc import Iterator
from typing import Annotated, Self

from pydantic import Field, model_validator

from botspec.base import Spec, refuse
from botspec.yaml_core import Loc

MAX_MODES = 8
MAX_TURN_RATE_DPS = 90.0

# Strictly between 0 and 1: no observable event has either probability.
Chance = Annotated[float, Field(gt=0, lt=1)]
Noise = Annotated[float, Field(gt=0, le=1e9)]
SpeedSigma = Annotated[float, Field(gt=0, le=1e6)]
Span = Annotated[float, Field(gt=0, le=1e9)]


class MotionMode(Spec):
    """One motion mode: straight, or turning clockwise at a rate, disturbed by white acceleration noise.

    The noise has these spectral densities, horizontally for each of two axes. The mode lasts `mean_stay_s` on average.
    """

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
    turn_rate_dps: Annotated[float, Field(ge=-MAX_TURN_RATE_DPS, le=MAX_TURN_RATE_DPS)] = 0.0
    horizontal_noise_m2ps3: Noise
    vertical_noise_m2ps3: Noise
    mean_stay_s: Span


class Tracker(Spec):
    """Tracker parameters. An omitted one takes the tracker's default, the value that its benchmark evaluates.

    A target's detection falls inside its track's gate with `gate_probability`. Of the detections that belong to no
    track, the share `new_target_probability` are of targets, not false; `birth_rate_per_scan` are expected in a scan
    without false ones. Targets exist for `mean_lifetime_s`. A track is confirmed when its probability of existence
    reaches `confirm_probability`; it is deleted when that falls below `delete_probability`, or after `max_coast_s`
    without a measurement. `max_coast_s` must exceed the longest scan period. The speed sigmas are the standard
    deviations of a track's velocity components before any velocity is measured.

    With `compiled` the arithmetic is compiled by numba, which must be installed; results differ in their last digits.
    """

    modes: Annotated[tuple[MotionMode, ...], Field(min_length=1, max_length=MAX_MODES)] | None = None
    horizontal_speed_sigma_mps: SpeedSigma | None = None
    vertical_speed_sigma_mps: SpeedSigma | None = None
    gate_probability: Chance | None = None
    new_target_probability: Chance | None = None
    birth_rate_per_scan: Annotated[float, Field(gt=0, le=100_000)] | None = None
    mean_lifetime_s: Span | None = None
    confirm_probability: Chance | None = None
    delete_probability: Chance | None = None
    max_coast_s: Span | None = None
    compiled: bool = False

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        refuse("Tracker", [*self._repeated(), *self._thresholds()])
        return self

    def _repeated(self) -> Iterator[tuple[Loc, str]]:
        names: dict[str, int] = {}
        for number, mode in enumerate(self.modes or ()):
            if names.setdefault(mode.name, number) != number:
                yield ("modes", number, "name"), f"mode {mode.name!r} is given twice"

    def _thresholds(self) -> Iterator[tuple[Loc, str]]:
        low, high = self.delete_probability, self.confirm_probability
        if low is not None and high is not None and low >= high:
            yield ("delete_probability",), f"should be less than confirm_probability, which is {high!r}"

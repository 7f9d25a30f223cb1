"""Interface of the trackers under comparison: scans are prepared beforehand, only `step` is timed."""

from dataclasses import dataclass
from typing import Any, Protocol

from bench.tracker.scenes.scan import SceneScan
from svc_tracker.domain.state.types import Floats, Integers


@dataclass(frozen=True, slots=True, eq=False)
class Estimates:
    """Reported tracks after a scan, k of them.

    `ids` (k,), `position_m` and `velocity_mps` (k, 2) east and north, `covariance` (k, 4, 4) of both together.
    """

    ids: Integers
    position_m: Floats
    velocity_mps: Floats
    covariance: Floats

    def __len__(self) -> int:
        return len(self.ids)


class Runner(Protocol):
    """A tracker: `prepare` converts a scan to its input, `step` processes it, `estimates` returns the result."""

    @property
    def name(self) -> str:
        """Name in tables."""

    def prepare(self, scan: SceneScan) -> Any:
        """Return the input of `step`; not timed."""

    def step(self, prepared: Any) -> None:
        """Process a scan; timed."""

    def estimates(self) -> Estimates:
        """Return the reported tracks after the last step; not timed."""

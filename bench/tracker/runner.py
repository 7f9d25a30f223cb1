"""What every tracker under comparison offers: scans are prepared beforehand, only `step` is timed."""

from dataclasses import dataclass
from typing import Any, Protocol

from bench.tracker.scene import Scan
from svc_tracker.domain.state.types import Floats, Integers


@dataclass(frozen=True, slots=True, eq=False)
class Estimates:
    """What a tracker holds for real after a scan: k tracks.

    `ids` (k,), `position_m` and `velocity_mps` (k, 2) east and north, `covariance` (k, 4, 4) of both together.
    """

    ids: Integers
    position_m: Floats
    velocity_mps: Floats
    covariance: Floats

    def __len__(self) -> int:
        return len(self.ids)


class Runner(Protocol):
    """A tracker: `prepare` makes of a scan what it reads, `step` takes that up, `estimates` tells the result."""

    @property
    def name(self) -> str:
        """What it is called in tables."""

    def prepare(self, scan: Scan) -> Any:
        """Return the scan as `step` wants it; not timed."""

    def step(self, prepared: Any) -> None:
        """Take up a scan; this is what is timed."""

    def estimates(self) -> Estimates:
        """Return what is reported after the last step; not timed."""

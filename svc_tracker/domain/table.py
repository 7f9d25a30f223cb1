"""Track table: the tracker's output after a frame."""

from dataclasses import dataclass

from svc_tracker.domain.identity.iff import Identification
from svc_tracker.domain.identity.replies import IdentityRecords
from svc_tracker.domain.state.records import TrackRecords
from svc_tracker.domain.state.tracks import Kinematics, probability_of
from svc_tracker.domain.state.types import Floats


@dataclass(frozen=True, slots=True, eq=False)
class TrackTable:
    """Every live track and those lost in this frame, in the order of their numbers, in arrays of the table's own.

    `mode_probability` (n, M) is of the motion modes named `modes`. `not_initiated` detections exceeded `max_tracks`.
    """

    records: TrackRecords
    kinematics: Kinematics
    modes: tuple[str, ...]
    mode_probability: Floats
    identities: IdentityRecords
    identification: Identification
    not_initiated: int

    def __len__(self) -> int:
        return len(self.records)

    @property
    def time_ns(self) -> int:
        """The frame's time."""
        return self.kinematics.time_ns

    @property
    def position_m(self) -> Floats:
        """Positions (n, 3) in ENU."""
        return self.kinematics.position_m.T

    @property
    def velocity_mps(self) -> Floats:
        """Velocities (n, 3) in ENU."""
        return self.kinematics.velocity_mps.T

    @property
    def covariance(self) -> Floats:
        """Covariances (n, 6, 6) of position and velocity together."""
        return self.kinematics.covariance.transpose(2, 0, 1)

    @property
    def existence_probability(self) -> Floats:
        """The probability (n,) that each track is of a target that exists (the wire's `quality`)."""
        return probability_of(self.records.score)

"""The tracker: a fold over frames, of where things are and who they say they are."""

from typing import Self

import numpy as np

from svc_tracker.domain import snapshot
from svc_tracker.domain.cycle import Followed, Following
from svc_tracker.domain.filter.imm import moments
from svc_tracker.domain.frame import Frame
from svc_tracker.domain.identity.iff import judge
from svc_tracker.domain.identity.policy import IdentityPolicy
from svc_tracker.domain.identity.replies import Identities, hear, unheard
from svc_tracker.domain.identity.spoofing import Kinematics, weigh
from svc_tracker.domain.model import TrackerModel
from svc_tracker.domain.state.tracks import NO_DETECTION, State
from svc_tracker.domain.state.types import Layout, Mixture
from svc_tracker.domain.table import TrackTable, in_space, table_of


class Tracker:
    """Follows things from frame to frame, each of one sensor, in the order of their times.

    Nothing but frames goes in, so equal frames give equal bytes.
    """

    def __init__(self, model: TrackerModel, policy: IdentityPolicy | None = None) -> None:
        """Begin with nothing; without a policy nobody is known."""
        self._model = model
        self._policy = policy or IdentityPolicy()
        self._layout = Layout.of(model.axes)
        self._following = Following(model)
        self._identities = unheard(0)

    @classmethod
    def restore(cls, model: TrackerModel, data: bytes, policy: IdentityPolicy | None = None) -> Self:
        """Return the tracker whose `snapshot` these bytes are.

        Raises SnapshotError for others, or for another model's or policy's.
        """
        tracker = cls(model, policy)
        state, tracker._identities = snapshot.decode(data, model, tracker._policy)
        tracker._following = Following(model, state)
        return tracker

    @property
    def state(self) -> tuple[State, Identities]:
        """The whole state. A step replaces it and never changes it in place: who keeps it can go back to it."""
        return self._following.state, self._identities

    @state.setter
    def state(self, state: tuple[State, Identities]) -> None:
        self._following.state, self._identities = state

    def snapshot(self) -> bytes:
        """Return the whole state: what is restored from it goes on to the same bytes."""
        return snapshot.encode(self._following.state, self._identities, self._model, self._policy)

    def step(self, frame: Frame) -> TrackTable:
        """Take up a frame and return every live track, and those lost with this frame, as they are at its time.

        Raises FrameError for a frame that is older than the one before, has too many detections, is of one sensor too
        many, or of one that cannot be followed: then nothing has changed.
        """
        followed = self._following.step(frame)
        count = len(followed.tracks)
        identities = self._identities.joined(unheard(len(followed.younger)))
        detection = followed.column("detection")
        rows = np.flatnonzero(detection != NO_DETECTION)
        identities = hear(
            identities, rows, frame.detections, detection[rows], time_ns=frame.time_ns, policy=self._policy
        )
        belief = followed.belief()
        mixture = moments(belief, self._layout.packing, self._layout.size)
        kinematics = _kinematics(followed, mixture, frame, self._layout)
        identities = weigh(identities, kinematics, self._policy)
        judged = judge(
            identities,
            followed.status(),
            kinematics.velocity_mps,
            kinematics.covariance,
            time_ns=frame.time_ns,
            policy=self._policy,
        )
        table = table_of(followed, belief.probability, identities, judged, kinematics, model=self._model)
        going_on = np.concatenate([followed.kept, np.arange(count, len(identities))])
        self._identities = identities.chosen(going_on)
        return table


def _kinematics(followed: Followed, mixture: Mixture, frame: Frame, layout: Layout) -> Kinematics:
    axes, count = layout.axes, mixture.mean.shape[1]
    position, velocity = np.zeros((3, count)), np.zeros((3, count))
    position[:axes], velocity[:axes] = mixture.mean[:axes], mixture.mean[axes:]
    return Kinematics(
        time_ns=frame.time_ns,
        dt_s=followed.dt_s,
        position_m=position,
        velocity_mps=velocity,
        covariance=in_space(mixture.spread, layout),
        own_position_m=frame.sensor_position_m,
        own_velocity_mps=frame.sensor_velocity_mps,
    )

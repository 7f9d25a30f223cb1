"""The tracker: a fold over frames, from radar detections to identified tracks."""

from typing import Self, TypeAlias

import numpy as np

from svc_tracker.domain import snapshot
from svc_tracker.domain.cycle import ScanResult, TrackingCycle
from svc_tracker.domain.filter.imm import mixture_moments
from svc_tracker.domain.frame import Frame
from svc_tracker.domain.identity.iff import classify
from svc_tracker.domain.identity.policy import IdentityPolicy
from svc_tracker.domain.identity.replies import IdentityRecords, empty, update_replies
from svc_tracker.domain.identity.spoofing import update_evidence
from svc_tracker.domain.model import TrackerModel
from svc_tracker.domain.state.tracks import NO_DETECTION, Kinematics, State
from svc_tracker.domain.state.types import Floats, Layout, Mixture
from svc_tracker.domain.table import TrackTable

TrackerState: TypeAlias = tuple[State, IdentityRecords]


class Tracker:
    """Tracks targets from frame to frame, each of one sensor, in the order of their times.

    Frames are the only input, so equal frames give equal bytes.
    """

    def __init__(self, model: TrackerModel, policy: IdentityPolicy | None = None) -> None:
        """Start without tracks; without a policy no platform is known."""
        self._model = model
        self._policy = policy or IdentityPolicy()
        self._layout = Layout.of(model.axes)
        self._cycle = TrackingCycle(model)
        self._identities = empty(0)

    @classmethod
    def restore(cls, model: TrackerModel, data: bytes, policy: IdentityPolicy | None = None) -> Self:
        """Return the tracker of a `snapshot`; raises SnapshotError for other bytes, or another model or policy."""
        tracker = cls(model, policy)
        state, tracker._identities = snapshot.decode(data, model, tracker._policy)
        tracker._cycle = TrackingCycle(model, state)
        return tracker

    @property
    def state(self) -> TrackerState:
        """The whole state. A step replaces it and never changes it in place, so a kept state can be restored."""
        return self._cycle.state, self._identities

    @state.setter
    def state(self, state: TrackerState) -> None:
        self._cycle.state, self._identities = state

    def snapshot(self) -> bytes:
        """Return the whole state, from which `restore` continues to the same bytes."""
        return self.snapshot_of(self.state)

    def snapshot_of(self, state: TrackerState) -> bytes:
        """Encode a state of this tracker, present or past; safe in a thread beside further steps."""
        return snapshot.encode(*state, self._model, self._policy)

    def step(self, frame: Frame) -> TrackTable:
        """Process a frame and return the tracks at its time: every live one, and those lost in this frame.

        Raises FrameError, and leaves the state unchanged, for a frame older than the one before, with more than
        `max_detections`, of more than `MAX_SENSORS` sensors, or with elevations in a tracker in the plane.
        """
        result = self._cycle.step(frame)
        records, estimates = result.records(), result.estimates()
        mixture = mixture_moments(estimates, self._layout.packing, self._layout.size)
        kinematics = _kinematics(result, mixture, frame, self._layout)

        identities = self._identities.concatenate(empty(len(result.new)))
        rows = np.flatnonzero(records.detection != NO_DETECTION)
        received = records.detection[rows]
        identities = update_replies(
            identities, rows, frame.detections, received, time_ns=frame.time_ns, policy=self._policy
        )
        identities = update_evidence(identities, kinematics, self._policy)
        live = np.concatenate([result.kept, np.arange(len(result.tracks), len(identities))])
        self._identities = identities.select(live)
        return TrackTable(
            records=records,
            kinematics=kinematics,
            modes=tuple(mode.name for mode in self._model.modes),
            mode_probability=estimates.probability.T,
            identities=identities,
            identification=classify(identities, records.status, kinematics, self._policy),
            not_initiated=result.not_initiated,
        )


def _kinematics(result: ScanResult, mixture: Mixture, frame: Frame, layout: Layout) -> Kinematics:
    axes, count = layout.axes, mixture.mean.shape[1]
    position, velocity = np.zeros((3, count)), np.zeros((3, count))
    position[:axes], velocity[:axes] = mixture.mean[:axes], mixture.mean[axes:]
    return Kinematics(
        time_ns=frame.time_ns,
        dt_s=result.dt_s,
        position_m=position,
        velocity_mps=velocity,
        covariance=_in_space(mixture.covariance, layout),
        own_position_m=frame.sensor_position_m,
        own_velocity_mps=frame.sensor_velocity_mps,
    )


def _in_space(packed: Floats, layout: Layout) -> Floats:
    """Return packed covariances (p, n) as (6, 6, n); of a tracker in the plane the vertical components are 0."""
    covariance = np.zeros((6, 6, packed.shape[1]))
    component = np.arange(layout.size)
    component[layout.axes :] += 3 - layout.axes
    covariance[component[:, None], component] = layout.unpack(packed)
    return covariance

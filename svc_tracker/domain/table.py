"""What the tracker tells after a frame."""

from dataclasses import dataclass

import numpy as np

from svc_tracker.domain.cycle import Followed
from svc_tracker.domain.identity.iff import Judged
from svc_tracker.domain.identity.replies import Identities
from svc_tracker.domain.identity.spoofing import Kinematics
from svc_tracker.domain.model import TrackerModel
from svc_tracker.domain.state.tracks import probability
from svc_tracker.domain.state.types import Booleans, Floats, Integers, Layout


@dataclass(frozen=True, slots=True, eq=False)
class TrackTable:
    """What the tracker tells after a frame: every live track and those just lost, in the order of their numbers.

    Arrays are (n,) unless said otherwise and belong to the reader. `position_m` and `velocity_mps` (n, 3) are in ENU at
    `time_ns`, `covariance` (n, 6, 6) is that of both together. `quality` is the probability that the track is of a
    thing which exists, `score` the logarithm of its odds. `snr_db`, `rcs_dbsm` and `range_band` are of the last
    detection. `transponder_id` is the last identity heard, empty for none, and stands when the transponder falls
    silent. `not_initiated` detections found no room for a track of their own.

    `mode_probability` (n, m) is of the modes named `modes`. `nis` is the last innovation's normalized square, of
    `nis_dof` components. `misses` counts scans in a row, `misses_in_all` all of them. `detection` is the place in the
    frame of the detection that the state was corrected with, -1 for none. `spoof_evidence` has bit k set for the
    evidence of number k on the wire; `object_type`, `iff` and `identity_source` hold numbers of the wire.
    """

    time_ns: int
    number: Integers
    status: Integers
    birth_ns: Integers
    measured_ns: Integers
    position_m: Floats
    velocity_mps: Floats
    covariance: Floats
    hits: Integers
    misses: Integers
    quality: Floats
    score: Floats
    snr_db: Floats
    rcs_dbsm: Floats
    range_band: Integers
    transponder_on: Booleans
    transponder_mode: Integers
    transponder_id: tuple[str, ...]
    not_initiated: int
    modes: tuple[str, ...]
    mode_probability: Floats
    nis: Floats
    nis_dof: Integers
    misses_in_all: Integers
    detection: Integers
    lost_reason: Integers
    object_type: Integers
    object_type_probability: Floats
    iff: Integers
    identity_source: Integers
    identity_age_s: Floats
    identity_conflict: Booleans
    spoof_evidence: Integers

    def __len__(self) -> int:
        return len(self.number)


def table_of(
    followed: Followed,
    modes: Floats,
    identities: Identities,
    judged: Judged,
    kinematics: Kinematics,
    *,
    model: TrackerModel,
) -> TrackTable:
    """Return the tracks as told to the outside, in arrays of their own: who has them cannot change the tracker's
    state.
    """
    score = followed.column("score")
    return TrackTable(
        time_ns=kinematics.time_ns,
        number=followed.column("number"),
        status=followed.status(),
        birth_ns=followed.column("birth_ns"),
        measured_ns=followed.column("measured_ns"),
        position_m=kinematics.position_m.T,
        velocity_mps=kinematics.velocity_mps.T,
        covariance=kinematics.covariance.transpose(2, 0, 1),
        hits=followed.column("hits"),
        misses=followed.column("misses"),
        quality=probability(score),
        score=score,
        snr_db=followed.column("snr_db"),
        rcs_dbsm=followed.column("rcs_dbsm"),
        range_band=followed.column("range_band"),
        transponder_on=identities.transponder_on.copy(),
        transponder_mode=identities.transponder_mode.copy(),
        transponder_id=tuple(identities.identity.tolist()),
        not_initiated=followed.not_initiated,
        modes=tuple(mode.name for mode in model.modes),
        mode_probability=modes.T,
        nis=followed.column("nis"),
        nis_dof=followed.column("nis_dof"),
        misses_in_all=followed.column("misses_in_all"),
        detection=followed.column("detection"),
        lost_reason=followed.reasons(),
        object_type=judged.object_type,
        object_type_probability=judged.object_type_probability,
        iff=judged.iff,
        identity_source=judged.identity_source,
        identity_age_s=judged.identity_age_s,
        identity_conflict=judged.identity_conflict,
        spoof_evidence=judged.spoof_evidence,
    )


def in_space(spread: Floats, layout: Layout) -> Floats:
    """Return packed covariances (p, n) as (6, 6, n); what a tracker in the plane does not follow is 0."""
    covariance = np.zeros((6, 6, spread.shape[1]))
    component = np.arange(layout.size)
    component[layout.axes :] += 3 - layout.axes
    covariance[component[:, None], component] = layout.full(spread)
    return covariance

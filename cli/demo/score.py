"""Score of a run's tracks against the truth: GOSPA, SIAP's attributes, and identity changes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from evaluation.gospa import Gospa, gospa
from evaluation.picture import Picture, nearest
from evaluation.siap import NOTHING, counts_of
from evaluation.switches import IdSwitches

GOSPA_C_M: Final = 2_000.0
GOSPA_P: Final = 2.0
GOSPA_ALPHA: Final = 2.0  # the only value that `gospa` supports


@dataclass(frozen=True, slots=True)
class Score:
    """Score of the tracks against the contacts in the view of one radar, over a number of its scans.

    GOSPA: the values in metres are root mean squares over the scans: total^2 = localisation^2 + missed^2 + false^2. The
    counts are means per scan: contacts with a track, contacts without one, and tracks without a contact.

    SIAP's attributes are over all scans, with every track assigned to the nearest contact within `GOSPA_C_M`; None if
    the divisor is 0. `switches` are scans in which a contact's track differs from its last one, `breaks` those in which
    it has a track again after none, both by the pairs of GOSPA.
    """

    radar: str
    scans: int
    total_m: float
    localisation_m: float
    missed_m: float
    false_m: float
    followed: float
    missed: float
    false: float
    completeness: float | None
    ambiguity: float | None
    spuriousness: float | None
    switches: int
    breaks: int


def score_of(radar: str, pictures: Sequence[Picture]) -> Score | None:
    """Return the score of the pictures at the ends of a radar's scans, in order; None if there are none."""
    if not pictures:
        return None
    found = [gospa(one.truth.position_m, one.tracks.position_m, GOSPA_C_M, GOSPA_P) for one in pictures]
    siap = sum((counts_of(one, nearest(one, GOSPA_C_M)) for one in pictures), NOTHING)
    identity = _switches(pictures, found)
    return Score(
        radar=radar,
        scans=len(pictures),
        total_m=_root_mean([one.total**GOSPA_P for one in found]),
        localisation_m=_root_mean([one.localisation for one in found]),
        missed_m=_root_mean([one.missed for one in found]),
        false_m=_root_mean([one.false for one in found]),
        followed=float(np.mean([one.assigned for one in found])),
        missed=float(np.mean([one.missed_count for one in found])),
        false=float(np.mean([one.false_count for one in found])),
        completeness=siap.completeness,
        ambiguity=siap.ambiguity,
        spuriousness=siap.spuriousness,
        switches=identity.switches,
        breaks=identity.breaks,
    )


def _switches(pictures: Sequence[Picture], found: Sequence[Gospa]) -> IdSwitches:
    counter = IdSwitches()
    for picture, best in zip(pictures, found, strict=True):
        of_truth, of_track = best.pairs.T.tolist()
        truth_ids = [picture.truth.ids[row] for row in of_truth]
        track_ids = [picture.tracks.ids[row] for row in of_track]
        counter.take(truth_ids, track_ids, picture.truth.ids)
    return counter


def _root_mean(powers: Sequence[float]) -> float:
    return float(np.mean(powers) ** (1.0 / GOSPA_P))

"""Transponder replies to the radar's interrogations."""

from dataclasses import dataclass

import numpy as np

from svc_radar.domain.model import RadarModel
from svc_radar.domain.resolution import Cell, Neighbourhood
from svc_radar.domain.scene import Booleans, Floats, Polar, Targets, TransponderMode


@dataclass(frozen=True, slots=True, eq=False)
class Replies:
    """Replies of n targets: which are received, and which of these can be decoded."""

    heard: Booleans
    legible: Booleans


def replies(model: RadarModel, seen: Polar, targets: Targets, in_coverage: Booleans, draws: Floats) -> Replies:
    """Return the replies of the targets (n,), with `draws` (n,) uniform in [0, 1).

    Only targets in mode ON or SPOOF reply, each with the model's probability, within the interrogator's range. Two
    replies closer to each other than the garbling distances in range and bearing overlap in the receiver: both are
    received and neither can be decoded; Stevens, "Secondary Surveillance Radar" (1988).
    """
    mode = targets.transponder_mode
    answers: Booleans = (mode == TransponderMode.ON) | (mode == TransponderMode.SPOOF)
    answers = answers & in_coverage & (seen.range_m <= model.transponder_range_m)
    heard = answers & (draws < model.transponder_reply_probability)
    legible = heard.copy()
    where = np.flatnonzero(heard)
    cell = Cell(model.transponder_garble_range_m, model.transponder_garble_bearing_deg)
    legible[where[Neighbourhood(seen[where], cell).crowded()]] = False
    return Replies(heard, legible)


def heard_from(answered: Replies, targets: Targets, of: list[tuple[int, ...]]) -> tuple[Booleans, list[str]]:
    """Return for detections (m,) whether a reply is received, and the decoded identities.

    `of` are the targets of each detection. Where several targets of one detection reply, none of their identities can
    be assigned to it.
    """
    heard, legible = answered.heard.tolist(), answered.legible.tolist()
    replying = [[target for target in members if heard[target]] for members in of]
    identities = [
        targets.transponder_id[found[0]] if len(found) == 1 and legible[found[0]] else "" for found in replying
    ]
    return np.array([bool(found) for found in replying], dtype=np.bool_), identities

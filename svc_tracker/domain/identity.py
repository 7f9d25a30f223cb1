"""Who a track says it is: the last identity heard, held against single contradictions and silences."""

from dataclasses import replace

import numpy as np

from svc_tracker.domain.arrays import Indices, texts
from svc_tracker.domain.frame import Detections
from svc_tracker.domain.model import TrackerModel
from svc_tracker.domain.tracks import Tracks


def hear(tracks: Tracks, detections: Detections, heard: Indices, model: TrackerModel) -> Tracks:
    """Return the tracks (n,) after listening to their detections, `heard` (n,) being the indices of these.

    The first identity is taken at once, another only after it was heard often enough in a row; hearing the own one
    again ends the doubt, silence neither ends nor feeds it.
    """
    answered = detections.transponder_on[heard]
    unanswered = np.where(answered, 0, tracks.unanswered + 1)
    on = answered | (tracks.transponder_on & (unanswered < model.transponder_silent_detections))

    text = np.where(detections.id_present[heard], texts(detections.transponder_id)[heard], "")
    told = text != ""
    same = told & (text == tracks.identity)
    other = told & ~same
    replies = np.where(other, np.where(text == tracks.rival, tracks.rival_replies, 0) + 1, tracks.rival_replies)
    taken = other & ((tracks.identity == "") | (replies >= model.identity_switch_replies))
    settled = same | taken
    return replace(
        tracks,
        transponder_on=on,
        transponder_mode=np.where(on & ~answered, tracks.transponder_mode, detections.transponder_mode[heard]),
        unanswered=unanswered,
        identity=np.where(taken, text, tracks.identity),
        rival=np.where(settled, "", np.where(other, text, tracks.rival)),
        rival_replies=np.where(settled, 0, replies),
    )

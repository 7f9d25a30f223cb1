"""One scan: truth in, detections out, with every draw taken from the generator that is given."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from svc_radar.domain.model import RadarModel
from svc_radar.domain.scene import Floats, Integers, Platform, Polar, Targets, TransponderMode, polar

Booleans = npt.NDArray[np.bool_]

# A noisy range can reach zero, and nothing is ever seen there.
MIN_REPORTED_RANGE_M: Final = 1e-3

# About the speed of sound: false detections spread over the radial velocities that aircraft and drones show.
CLUTTER_MAX_VR_MPS: Final = 300.0

# Mean excess of a false detection over the threshold; its tail is a Pareto distribution of shape 1.45.
CLUTTER_MEAN_EXCESS_DB: Final = 3.0


@dataclass(frozen=True, slots=True, eq=False)
class Scan:
    """What a radar reports of one scan: arrays (m,) in the order (bearing, range), so that order tells nothing.

    Bearing is in [0, 360), elevation in [-90, 90], range positive, radial velocity negative when closing; all finite.
    `truncated` says that the weakest detections were left out.
    """

    range_m: Floats
    bearing_deg: Floats
    elev_deg: Floats
    vr_mps: Floats
    snr_db: Floats
    rcs_dbsm: Floats
    transponder_on: Booleans
    transponder_mode: Integers
    transponder_id: tuple[str, ...]
    id_present: Booleans
    truncated: bool

    def __len__(self) -> int:
        return len(self.transponder_id)


def observe(model: RadarModel, platform: Platform, targets: Targets, rng: np.random.Generator) -> Scan:
    """Return what the radar reports of the targets: equal arguments, with `rng` in equal states, give equal bits.

    Every target takes its draws in order, seen or not, so that no target's detection depends on another's visibility.
    """
    detection_draw = rng.random(len(targets))
    reply_draw = rng.random(len(targets))
    noise = rng.standard_normal((len(targets), 4))

    truth = polar(platform, targets)
    detected = np.flatnonzero(_in_view(model, truth) & (detection_draw < model.detection_probability))
    answers = _in_answer(model, truth, targets) & (reply_draw < model.transponder_reply_probability)
    answered = answers[detected]

    true_measured = _measured(model, truth, detected, noise[detected])
    true_snr_db = received_snr_db(model, targets.rcs_dbsm[detected], truth.range_m[detected])
    false_measured, false_snr_db = _clutter(model, rng)

    measured = _joined(true_measured, false_measured)
    false_count = len(false_snr_db)
    heard = [
        targets.transponder_id[index] if answer else ""
        for index, answer in zip(detected.tolist(), answered.tolist(), strict=True)
    ]
    return _reported(
        model,
        measured,
        np.concatenate([true_snr_db, false_snr_db]),
        np.concatenate([answered, np.zeros(false_count, dtype=np.bool_)]),
        heard + [""] * false_count,
    )


def received_snr_db(model: RadarModel, rcs_dbsm: Floats, range_m: Floats) -> Floats:
    """Return the signal to noise ratio of things (n,) of this cross section at this range, which is positive.

    The radar equation against a reference: SNR = SNR_ref + (RCS - RCS_ref) - 40 log10(R / R_ref); Skolnik,
    "Introduction to Radar Systems", ch. 1.
    """
    relative_rcs_db = rcs_dbsm - model.rcs_ref_dbsm
    return model.snr_ref_db + relative_rcs_db - _path_loss_db(model, range_m)


def _path_loss_db(model: RadarModel, range_m: Floats) -> Floats:
    # A difference of logarithms, not the logarithm of a ratio, which can underflow to zero.
    loss_db: Floats = 40.0 * (np.log10(range_m) - np.log10(model.range_ref_m))
    return loss_db


def _in_view(model: RadarModel, truth: Polar) -> Booleans:
    # At range 0 there is no direction to see a thing in.
    in_range = (truth.range_m > 0.0) & (truth.range_m >= model.min_range_m) & (truth.range_m <= model.max_range_m)
    return in_range & (truth.elev_deg >= model.min_elev_deg) & (truth.elev_deg <= model.max_elev_deg)


def _in_answer(model: RadarModel, truth: Polar, targets: Targets) -> Booleans:
    mode = targets.transponder_mode
    answers: Booleans = (mode == TransponderMode.ON) | (mode == TransponderMode.SPOOF)
    return answers & (truth.range_m <= model.transponder_range_m)


def _measured(model: RadarModel, truth: Polar, detected: npt.NDArray[np.intp], noise: Floats) -> Polar:
    """Return the truth (n,) at `detected` (m,) with the radar's errors, `noise` (m, 4) being standard normal draws."""
    range_m = truth.range_m[detected] + model.range_sigma_m * noise[:, 0]
    bearing_deg = truth.bearing_deg[detected] + model.bearing_sigma_deg * noise[:, 1]
    elev_deg = truth.elev_deg[detected] + model.elev_sigma_deg * noise[:, 2]
    bearing_deg, elev_deg = _over_the_pole(bearing_deg, elev_deg)
    return Polar(
        range_m=np.maximum(np.abs(range_m), MIN_REPORTED_RANGE_M),
        bearing_deg=bearing_deg,
        elev_deg=elev_deg,
        vr_mps=truth.vr_mps[detected] + model.vr_sigma_mps * noise[:, 3],
    )


def _over_the_pole(bearing_deg: Floats, elev_deg: Floats) -> tuple[Floats, Floats]:
    """Return the same directions with bearing in [0, 360) and elevation in [-90, 90].

    An elevation beyond the zenith (or nadir) comes down on the other side, at the opposite bearing.
    """
    from_nadir_deg = np.mod(elev_deg + 90.0, 360.0)
    other_side = from_nadir_deg > 180.0
    beyond = (elev_deg < -90.0) | (elev_deg > 90.0)
    # Only what is beyond is folded: the detour over the nadir would cost the others their last bits.
    folded_deg = np.where(other_side, 270.0 - from_nadir_deg, from_nadir_deg - 90.0)
    return (
        _wrapped(np.where(beyond & other_side, bearing_deg + 180.0, bearing_deg)),
        np.where(beyond, folded_deg, elev_deg),
    )


def _wrapped(bearing_deg: Floats) -> Floats:
    turned = np.mod(bearing_deg, 360.0)
    # The remainder of a tiny negative angle rounds up to 360 itself.
    return np.where(turned < 360.0, turned, 0.0)


def _clutter(model: RadarModel, rng: np.random.Generator) -> tuple[Polar, Floats]:
    """Return the false detections (m,), m being Poisson, and their signal to noise ratios (m,).

    They are uniform in the measurement space (range, bearing, elevation, radial velocity), which is the clutter that
    trackers assume: Bar-Shalom, Willett and Tian, "Tracking and Data Fusion" (2011). Their power over the threshold is
    Pareto distributed, as sea clutter's is (Farshchian and Posner, IEEE Radar Conference 2010): in decibels the excess
    is exponential. The threshold is the SNR of the reference thing at the farthest range: what is just seen.
    """
    count = int(rng.poisson(model.clutter_per_scan))
    measured = Polar(
        range_m=np.maximum(rng.uniform(model.min_range_m, model.max_range_m, count), MIN_REPORTED_RANGE_M),
        bearing_deg=_wrapped(rng.uniform(0.0, 360.0, count)),
        elev_deg=rng.uniform(model.min_elev_deg, model.max_elev_deg, count),
        vr_mps=rng.uniform(-CLUTTER_MAX_VR_MPS, CLUTTER_MAX_VR_MPS, count),
    )
    threshold_db = model.snr_ref_db - _path_loss_db(model, np.asarray(model.max_range_m))
    return measured, threshold_db + rng.exponential(CLUTTER_MEAN_EXCESS_DB, count)


def _joined(first: Polar, second: Polar) -> Polar:
    return Polar(
        range_m=np.concatenate([first.range_m, second.range_m]),
        bearing_deg=np.concatenate([first.bearing_deg, second.bearing_deg]),
        elev_deg=np.concatenate([first.elev_deg, second.elev_deg]),
        vr_mps=np.concatenate([first.vr_mps, second.vr_mps]),
    )


def _reported(model: RadarModel, measured: Polar, snr_db: Floats, answered: Booleans, heard: list[str]) -> Scan:
    """Return the detections (m,) in their order, at most `max_detections` of them: the strongest."""
    order = np.lexsort((measured.range_m, measured.bearing_deg))
    truncated = len(order) > model.max_detections
    if truncated:
        strongest = np.argsort(-snr_db[order], kind="stable")[: model.max_detections]
        order = order[np.sort(strongest)]
    range_m, snr_db, answered = measured.range_m[order], snr_db[order], answered[order]
    transponder_id = tuple([heard[index] for index in order.tolist()])
    return Scan(
        range_m=range_m,
        bearing_deg=measured.bearing_deg[order],
        elev_deg=measured.elev_deg[order],
        vr_mps=measured.vr_mps[order],
        snr_db=snr_db,
        # What the radar can know of the cross section: from the range it measured, not from the true one.
        rcs_dbsm=snr_db - model.snr_ref_db + model.rcs_ref_dbsm + _path_loss_db(model, range_m),
        transponder_on=answered,
        # A receiver hears an answer and cannot know a false one: spoofing is reported as plainly on.
        transponder_mode=np.where(answered, int(TransponderMode.ON), int(TransponderMode.OFF)),
        transponder_id=transponder_id,
        id_present=np.array([identity != "" for identity in transponder_id], dtype=np.bool_),
        truncated=truncated,
    )

"""Report of one scan: ordered detections, limited to the number that the radar may send."""

from dataclasses import dataclass

import numpy as np

from svc_radar.domain.faults import Blind
from svc_radar.domain.measurement_noise import Sigmas
from svc_radar.domain.model import RadarModel
from svc_radar.domain.scene import Booleans, Floats, Integers, Polar, TransponderMode
from svc_radar.domain.signal import path_loss_db, pattern_loss_db


@dataclass(frozen=True, slots=True, eq=False)
class Scan:
    """A radar's report of one scan: arrays (m,) sorted by (bearing, range), so that the order carries no information.

    Bearing is in [0, 360), elevation in [-90, 90], range positive, radial velocity negative when closing; all finite.
    The sigmas are those of each detection; they are 0 where the model's apply instead, independent of the echo. `of`
    holds the indices of the targets behind each detection, none for a false one; it is not part of the report.
    `truncated` marks that the weakest detections were omitted, `failed` that the scan was lost and is empty.
    `sensor_position_m` (3,) is the radar's own estimate of its position.
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
    time_offset_s: Floats
    range_sigma_m: Floats
    bearing_sigma_deg: Floats
    elev_sigma_deg: Floats
    vr_sigma_mps: Floats
    of: tuple[tuple[int, ...], ...]
    sensor_position_m: Floats
    blind: tuple[Blind, ...]
    truncated: bool
    failed: bool

    def __len__(self) -> int:
        return len(self.transponder_id)


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """m detections in any order: snr is a ratio of powers, of holds indices of targets."""

    measured: Polar
    snr: Floats
    time_offset_s: Floats
    sigma: Sigmas
    heard: Booleans
    identities: list[str]
    of: list[tuple[int, ...]]


def reported(
    model: RadarModel, made: Detections, sensor_position_m: Floats, blind: tuple[Blind, ...], *, failed: bool
) -> Scan:
    """Return the report of the detections (m,): sorted, and at most `max_detections` of them, the strongest."""
    order = np.lexsort((made.measured.range_m, made.measured.bearing_deg))
    truncated = len(order) > model.max_detections
    if truncated:
        strongest = np.argsort(-made.snr[order], kind="stable")[: model.max_detections]
        order = order[np.sort(strongest)]
    measured, heard = made.measured[order], made.heard[order]
    snr_db = 10.0 * np.log10(made.snr[order])
    none = np.zeros(len(made.snr))
    sigma = made.sigma if model.physical else Sigmas(none, none, none, none)
    chosen = order.tolist()
    transponder_id = tuple([made.identities[index] for index in chosen])
    return Scan(
        range_m=measured.range_m,
        bearing_deg=measured.bearing_deg,
        elev_deg=measured.elev_deg,
        vr_mps=measured.vr_mps,
        snr_db=snr_db,
        rcs_dbsm=_rcs_dbsm(model, measured, snr_db),
        transponder_on=heard,
        # A receiver cannot recognize a false reply: spoofing is reported as on.
        transponder_mode=np.where(heard, int(TransponderMode.ON), int(TransponderMode.OFF)),
        transponder_id=transponder_id,
        id_present=np.array([identity != "" for identity in transponder_id], dtype=np.bool_),
        time_offset_s=made.time_offset_s[order],
        range_sigma_m=sigma.range_m[order],
        bearing_sigma_deg=sigma.bearing_deg[order],
        elev_sigma_deg=sigma.elev_deg[order],
        vr_sigma_mps=sigma.vr_mps[order],
        of=tuple([made.of[index] for index in chosen]),
        sensor_position_m=sensor_position_m,
        blind=blind,
        truncated=truncated,
        failed=failed,
    )


def _rcs_dbsm(model: RadarModel, measured: Polar, snr_db: Floats) -> Floats:
    """Return the radar cross sections in decibels over one square metre, estimated from the measurements alone.

    Without measured elevation, targets are assumed to be at the elevation of the pattern's peak.
    """
    if model.no_elevation:
        peak_deg = np.full(len(snr_db), model.pattern.elev_deg)
        measured = Polar(measured.range_m, measured.bearing_deg, peak_deg, measured.vr_mps)
    lost_db = path_loss_db(model, measured.range_m) + pattern_loss_db(model, measured)
    return snr_db - model.snr_ref_db + model.rcs_ref_dbsm + lost_db

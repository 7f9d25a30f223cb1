"""One scan: truth in, detections out, with every random draw from the given generator."""

from dataclasses import dataclass

import numpy as np

from svc_radar.domain import beam, clutter, faults, measurement_noise, resolution, signal, transponder
from svc_radar.domain.faults import NO_FAULTS, Faults
from svc_radar.domain.measurement_noise import Sigmas
from svc_radar.domain.model import RadarModel
from svc_radar.domain.report import Detections, Scan, reported
from svc_radar.domain.scene import Booleans, Floats, Indices, Platform, Polar, Targets
from svc_radar.domain.signal import EchoDraws


@dataclass(frozen=True, slots=True, eq=False)
class _Draws:
    """Random draws of a scan of n targets, independent of their detection."""

    dropout: float
    position: Floats
    north: float
    echo: EchoDraws
    detection: Floats
    reply: Floats
    error: Floats
    clutter: tuple[Polar, Floats]


@dataclass(frozen=True, slots=True, eq=False)
class _Echoes:
    """Echoes of n targets: indices of the detected ones, and the power, position and reply of each."""

    detected: Indices
    power: Floats
    looked: beam.Look
    replies: transponder.Replies


def observe(
    model: RadarModel, platform: Platform, targets: Targets, rng: np.random.Generator, wrong: Faults = NO_FAULTS
) -> Scan:
    """Return the radar's report of a scan that ends now; equal arguments, with `rng` in equal states, give equal bits.

    Every target takes its draws in order, visible or not, so that no detection depends on another target's visibility.
    """
    draws = _draw(model, len(targets), rng)
    position_m = measurement_noise.reported_position_m(model, platform.position_m, draws.position)
    blind = faults.blind_sectors(model, wrong)
    if draws.dropout < wrong.dropout_probability:
        return reported(model, _nothing(), position_m, blind, failed=True)
    echoes = _echoes(model, platform, targets, draws, wrong)
    made = _joined(_measured(model, targets, echoes, draws, wrong), _false(model, draws.clutter, wrong))
    return reported(model, made, position_m, blind, failed=False)


def failed_scan(model: RadarModel, position_m: Floats, rng: np.random.Generator) -> Scan:
    """Return a failed scan without detections, with the radar's own estimate of its position."""
    rng.random()  # the draw before those of the position
    return reported(
        model,
        _nothing(),
        measurement_noise.reported_position_m(model, position_m, rng.standard_normal(3)),
        (),
        failed=True,
    )


def _draw(model: RadarModel, count: int, rng: np.random.Generator) -> _Draws:
    return _Draws(
        dropout=float(rng.random()),
        position=rng.standard_normal(3),
        north=float(rng.standard_normal()),
        echo=signal.draw_echoes(rng, count),
        detection=rng.random(count),
        reply=rng.random(count),
        error=rng.standard_normal((count, 4)),
        clutter=clutter.draw_clutter(model, rng),
    )


def _echoes(model: RadarModel, platform: Platform, targets: Targets, draws: _Draws, wrong: Faults) -> _Echoes:
    looked = beam.look(model, platform, targets)
    truth = looked.truth
    snr_db = signal.mean_snr_db(model, targets.rcs_dbsm, truth) - faults.noise_db(wrong, truth.bearing_deg)
    power = signal.received_power(model.swerling, signal.ratios(snr_db), draws.echo)
    in_coverage = beam.in_coverage(model, truth) & beam.above_horizon(model, platform, targets)
    visible = in_coverage & beam.passes_notch(model, platform, truth) & faults.can_see(model, wrong, truth.bearing_deg)
    return _Echoes(
        detected=np.flatnonzero(visible & _passes(model, power, draws.detection)),
        power=power,
        looked=looked,
        replies=transponder.replies(model, truth, targets, in_coverage, draws.reply),
    )


def _passes(model: RadarModel, power: Floats, draws: Floats) -> Booleans:
    if model.physical:
        return power > signal.threshold(model)
    passes: Booleans = draws < model.detection_probability
    return passes


def _measured(model: RadarModel, targets: Targets, echoes: _Echoes, draws: _Draws, wrong: Faults) -> Detections:
    """Return the true detections: the detected echoes, merged where they are not resolved."""
    detected = echoes.detected
    single, strength = echoes.looked.truth[detected], signal.measured_snr(echoes.power[detected])
    groups = resolution.groups_of(single, strength, resolution.cell_of(model))
    truth, snr, leaders = resolution.merged(single, strength, groups)
    sigma = measurement_noise.sigmas(model, snr)
    north_deg = model.north_sigma_deg * draws.north
    bias = (model.bias.range_m + wrong.range_bias_m, model.bias.bearing_deg + wrong.bearing_bias_deg + north_deg)
    index_of = detected.tolist()
    of = [(index_of[leader], *(index_of[member] for member in groups.get(leader, ()))) for leader in leaders.tolist()]
    heard, identities = transponder.heard_from(echoes.replies, targets, of)
    own = detected[leaders]
    return Detections(
        measured=measurement_noise.measured(model, truth, sigma, draws.error[own], bias),
        snr=snr,
        time_offset_s=echoes.looked.time_offset_s[own],
        sigma=sigma,
        heard=heard,
        identities=identities,
        of=of,
    )


def _false(model: RadarModel, drawn: tuple[Polar, Floats], wrong: Faults) -> Detections:
    """Return the false detections at bearings where the antenna receives."""
    kept = faults.can_see(model, wrong, drawn[0].bearing_deg)
    measured, snr = drawn[0][kept], drawn[1][kept]
    count = len(snr)
    return Detections(
        measured=measured,
        snr=snr,
        time_offset_s=beam.passage_s(model, measured.bearing_deg),
        sigma=measurement_noise.sigmas(model, snr),
        heard=np.zeros(count, dtype=np.bool_),
        identities=[""] * count,
        of=[()] * count,
    )


def _nothing() -> Detections:
    none = np.empty(0)
    empty = Polar(none, none, none, none)
    sigma = Sigmas(none, none, none, none)
    return Detections(empty, none, none, sigma, np.empty(0, dtype=np.bool_), [], [])


def _joined(first: Detections, second: Detections) -> Detections:
    return Detections(
        measured=Polar(*_columns(first.measured, second.measured)),
        snr=np.concatenate([first.snr, second.snr]),
        time_offset_s=np.concatenate([first.time_offset_s, second.time_offset_s]),
        sigma=Sigmas(*_columns(first.sigma, second.sigma)),
        heard=np.concatenate([first.heard, second.heard]),
        identities=first.identities + second.identities,
        of=first.of + second.of,
    )


def _columns(first: Polar | Sigmas, second: Polar | Sigmas) -> list[Floats]:
    names = ("range_m", "bearing_deg", "elev_deg", "vr_mps")
    return [np.concatenate([getattr(first, name), getattr(second, name)]) for name in names]

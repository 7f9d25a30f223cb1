"""A radar turns the truth of one scan into detections: geometry, view, replies, order, limits and refusals."""

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.rng import generator
from radar_scenes import ORIGIN, PERFECT, platform
from svc_radar.domain import Platform, RadarModel, Scan, Targets, TransponderMode, observe
from svc_radar.domain.scene import polar
from svc_radar.domain.signal import mean_snr_db

SQRT_HALF = math.sqrt(0.5)

NOISY = dataclasses.replace(
    PERFECT,
    range_sigma_m=30.0,
    bearing_sigma_deg=0.5,
    elev_sigma_deg=0.7,
    vr_sigma_mps=2.0,
    detection_probability=0.8,
    clutter_per_scan=15.0,
    transponder_reply_probability=0.7,
)


def targets(
    *positions_m: Any,
    velocity_mps: Any = (0, 0, 0),
    rcs_dbsm: float = 10.0,
    mode: int = TransponderMode.OFF,
    identity: str = "",
) -> Targets:
    count = len(positions_m)
    return Targets(
        position_m=np.array(positions_m, dtype=np.float64).reshape(count, 3),
        velocity_mps=np.tile(np.array(velocity_mps, dtype=np.float64), (count, 1)),
        rcs_dbsm=np.full(count, rcs_dbsm),
        transponder_mode=np.full(count, mode, dtype=np.int64),
        transponder_id=(identity,) * count,
    )


def crowd(count: int, seed: int = 7) -> Targets:
    rng = np.random.default_rng(seed)
    return Targets(
        position_m=rng.uniform(-20_000.0, 20_000.0, (count, 3)),
        velocity_mps=rng.uniform(-200.0, 200.0, (count, 3)),
        rcs_dbsm=rng.uniform(-10.0, 30.0, count),
        transponder_mode=rng.integers(0, 4, count),
        transponder_id=tuple(f"ID{number}" for number in range(count)),
    )


def scan(model: RadarModel, seen: Targets, own: Platform = ORIGIN, step: int = 1) -> Scan:
    return observe(model, own, seen, generator(1, "radar", step))


def bits(seen: Scan) -> tuple[Any, ...]:
    values = (getattr(seen, field.name) for field in dataclasses.fields(seen))
    return tuple(value.tobytes() if isinstance(value, np.ndarray) else value for value in values)


# Geometry


@pytest.mark.parametrize(
    ("position_m", "range_m", "bearing_deg", "elev_deg"),
    [
        ((0, 1_000, 0), 1_000, 0, 0),
        ((1_000, 0, 0), 1_000, 90, 0),
        ((0, -1_000, 0), 1_000, 180, 0),
        ((-1_000, 0, 0), 1_000, 270, 0),
        ((3_000, 4_000, 0), 5_000, math.degrees(math.asin(0.6)), 0),
        ((-1_000, 1_000, 0), 1_000 / SQRT_HALF, 315, 0),
        ((0, 1_000, 1_000), 1_000 / SQRT_HALF, 0, 45),
        ((0, 1_000, -1_000), 1_000 / SQRT_HALF, 0, -45),
        ((0, 0, 1_000), 1_000, 0, 90),
        ((0, 0, -1_000), 1_000, 0, -90),
    ],
)
def test_bearing_turns_clockwise_from_north_and_elevation_rises_from_the_horizon(
    position_m: Any, range_m: float, bearing_deg: float, elev_deg: float
) -> None:
    seen = scan(PERFECT, targets(position_m))
    assert seen.range_m == pytest.approx([range_m])
    assert seen.bearing_deg == pytest.approx([bearing_deg])
    assert seen.elev_deg == pytest.approx([elev_deg])


def test_a_hair_west_of_north_is_still_below_360_degrees() -> None:
    # -1e-13 / 1000 radians is less than half the last bit of 360 degrees.
    assert scan(PERFECT, targets((-1e-13, 1_000, 0))).bearing_deg.tolist() == [0.0]


@pytest.mark.parametrize(
    ("velocity_mps", "own_velocity_mps", "vr_mps"),
    [
        ((0, -50, 0), (0, 0, 0), -50),
        ((0, 50, 0), (0, 0, 0), 50),
        ((80, 0, 0), (0, 0, 0), 0),
        ((0, 0, 0), (0, 30, 0), -30),
        ((0, 0, 0), (0, -30, 0), 30),
        ((0, -50, 0), (0, 30, 0), -80),
        ((0, 30, 0), (0, 30, 0), 0),
    ],
)
def test_radial_velocity_is_that_of_the_range_and_negative_when_closing(
    velocity_mps: Any, own_velocity_mps: Any, vr_mps: float
) -> None:
    seen = scan(PERFECT, targets((0, 1_000, 0), velocity_mps=velocity_mps), platform(velocity_mps=own_velocity_mps))
    assert seen.vr_mps == pytest.approx([vr_mps])


def test_radial_velocity_agrees_with_the_range_a_moment_later() -> None:
    own, moved = platform((10, 20, 30), (5, -7, 2)), platform((10.005, 19.993, 30.002), (5, -7, 2))
    now = scan(PERFECT, targets((900, -1_200, 400), velocity_mps=(-30, 45, 12)), own)
    later = scan(PERFECT, targets((899.97, -1_199.955, 400.012), velocity_mps=(-30, 45, 12)), moved)
    assert (later.range_m - now.range_m) / 1e-3 == pytest.approx(now.vr_mps, abs=1e-3)


def test_only_the_position_relative_to_the_platform_counts() -> None:
    there = scan(PERFECT, targets((4_000, 2_000, 500)), platform((3_000, 1_000, 500)))
    here = scan(PERFECT, targets((1_000, 1_000, 0)))
    assert bits(dataclasses.replace(there, sensor_position_m=np.zeros(3))) == bits(here)


def test_angles_do_not_turn_with_the_platform() -> None:
    turned = platform(attitude=(SQRT_HALF, 0, 0, SQRT_HALF))
    assert bits(scan(PERFECT, targets((0, 1_000, 0)), turned)) == bits(scan(PERFECT, targets((0, 1_000, 0))))


def test_the_signal_falls_by_twelve_decibels_per_doubling_of_the_range_and_rises_with_the_cross_section() -> None:
    def mean_db(north_m: float, rcs_dbsm: float) -> float:
        target = targets((0, north_m, 0), rcs_dbsm=rcs_dbsm)
        return float(mean_snr_db(PERFECT, target.rcs_dbsm, polar(platform(), target))[0])

    assert mean_db(10_000, 10.0) == pytest.approx(20.0)
    assert mean_db(20_000, 10.0) == pytest.approx(20.0 - 40.0 * math.log10(2.0))
    assert mean_db(10_000, 13.0) == pytest.approx(23.0)


def test_receiver_noise_hides_the_change_of_range_from_scan_to_scan() -> None:
    seen = [scan(PERFECT, targets((0, 10_000, 0)), step=step).snr_db[0] for step in range(200)]
    assert np.mean(seen) == pytest.approx(20.0, abs=0.3)
    # At a signal-to-noise ratio of 100, noise changes the power by a seventh.
    assert np.std(seen) == pytest.approx(10.0 * math.log10(1.0 + math.sqrt(2.0 / 100.0)), rel=0.2)


def test_the_reported_cross_section_follows_from_measured_values_and_does_not_reveal_the_true_range() -> None:
    seen = scan(dataclasses.replace(PERFECT, range_sigma_m=500.0), targets((0, 10_000, 0)))
    assert abs(seen.range_m[0] - 10_000.0) > 1.0
    expected = seen.snr_db - 20.0 + 10.0 + 40.0 * np.log10(seen.range_m / 10_000.0)
    assert seen.rcs_dbsm == pytest.approx(expected)
    assert abs(seen.rcs_dbsm[0] - 10.0) > 1e-4


# View


@pytest.mark.parametrize(
    ("position_m", "in_view"),
    [
        ((0, 100, 0), True),
        ((0, 99.999, 0), False),
        ((0, 50_000, 0), True),
        ((0, 50_000.001, 0), False),
        ((0, 1_000, 1_001), False),
        ((0, 1_000, 999), True),
        ((0, 1_000, -176), True),
        ((0, 1_000, -177), False),
    ],
)
def test_a_target_beyond_the_range_or_elevation_limits_is_not_detected(position_m: Any, in_view: bool) -> None:
    model = dataclasses.replace(PERFECT, min_elev_deg=-10.0, max_elev_deg=45.0)
    assert len(scan(model, targets(position_m))) == int(in_view)


@pytest.mark.parametrize("min_range_m", [0.0, 100.0])
def test_a_target_at_the_sensors_position_is_not_detected(min_range_m: float) -> None:
    model = dataclasses.replace(NOISY, detection_probability=1.0, clutter_per_scan=0.0, min_range_m=min_range_m)
    assert len(scan(model, targets((5, 5, 5), velocity_mps=(9, 9, 9)), platform((5, 5, 5)))) == 0


def test_without_targets_and_without_clutter_a_scan_is_empty() -> None:
    seen = scan(dataclasses.replace(NOISY, clutter_per_scan=0.0), targets())
    assert len(seen) == 0
    assert not seen.truncated
    others = {"truncated", "failed", "sensor_position_m"}
    assert {len(getattr(seen, field.name)) for field in dataclasses.fields(seen) if field.name not in others} == {0}


def test_without_targets_there_is_still_clutter() -> None:
    assert len(scan(NOISY, targets())) > 0


def test_with_a_detection_probability_of_zero_nothing_is_detected() -> None:
    assert len(scan(dataclasses.replace(PERFECT, detection_probability=0.0), crowd(500))) == 0


# Replies


@pytest.mark.parametrize(
    ("mode", "answers"),
    [
        (TransponderMode.OFF, False),
        (TransponderMode.ON, True),
        (TransponderMode.SILENT, False),
        (TransponderMode.SPOOF, True),
    ],
)
def test_any_reply_true_or_false_is_reported_as_on_and_silence_as_off(mode: TransponderMode, answers: bool) -> None:
    seen = scan(PERFECT, targets((0, 1_000, 0), mode=mode, identity="ALPHA-1"))
    assert seen.transponder_on.tolist() == [answers]
    assert seen.transponder_mode.tolist() == [TransponderMode.ON if answers else TransponderMode.OFF]
    assert seen.transponder_id == (("ALPHA-1",) if answers else ("",))
    assert seen.id_present.tolist() == [answers]


def test_a_spoofed_reply_is_indistinguishable_from_an_honest_one() -> None:
    honest = scan(PERFECT, targets((0, 1_000, 0), mode=TransponderMode.ON, identity="ALPHA-1"))
    spoofing = scan(PERFECT, targets((0, 1_000, 0), mode=TransponderMode.SPOOF, identity="ALPHA-1"))
    assert bits(spoofing) == bits(honest)


def test_a_silent_transponder_is_indistinguishable_from_one_that_is_off() -> None:
    off = scan(PERFECT, targets((0, 1_000, 0), mode=TransponderMode.OFF))
    silent = scan(PERFECT, targets((0, 1_000, 0), mode=TransponderMode.SILENT, identity="ALPHA-1"))
    assert bits(silent) == bits(off)


def test_a_reply_without_an_identity_is_an_empty_reply() -> None:
    seen = scan(PERFECT, targets((0, 1_000, 0), mode=TransponderMode.ON, identity=""))
    assert seen.transponder_on.tolist() == [True]
    assert seen.id_present.tolist() == [False]


@pytest.mark.parametrize(("north_m", "answers"), [(20_000, True), (20_001, False)])
def test_a_target_beyond_the_transponder_range_is_detected_without_a_reply(north_m: float, answers: bool) -> None:
    model = dataclasses.replace(PERFECT, transponder_range_m=20_000.0)
    seen = scan(model, targets((0, north_m, 0), mode=TransponderMode.ON, identity="ALPHA-1"))
    assert seen.transponder_on.tolist() == [answers]


def test_identities_stay_with_their_detections() -> None:
    many = crowd(200)
    seen = scan(PERFECT, many)
    relative_m = dict(zip(many.transponder_id, np.sqrt(np.sum(np.square(many.position_m), axis=1)), strict=True))
    replies = [
        (identity, range_m) for identity, range_m in zip(seen.transponder_id, seen.range_m, strict=True) if identity
    ]
    assert len(replies) > 50
    assert all(range_m == pytest.approx(relative_m[identity]) for identity, range_m in replies)


def test_clutter_never_replies() -> None:
    seen = scan(dataclasses.replace(NOISY, clutter_per_scan=500.0), targets())
    assert not seen.transponder_on.any()
    assert not seen.id_present.any()
    assert set(seen.transponder_id) == {""}
    assert set(seen.transponder_mode.tolist()) == {TransponderMode.OFF}


# Order, limit, determinism


def test_detections_are_ordered_by_bearing_so_that_clutter_is_not_recognisable_by_order() -> None:
    seen = scan(NOISY, crowd(100))
    assert np.all(np.diff(seen.bearing_deg) >= 0.0)


def test_of_equal_bearings_the_nearer_comes_first() -> None:
    seen = scan(PERFECT, targets((0, 3_000, 0), (0, 1_000, 0), (0, 2_000, 0)))
    assert seen.range_m.tolist() == [1_000.0, 2_000.0, 3_000.0]


def test_the_order_of_the_detections_does_not_depend_on_the_order_of_the_targets() -> None:
    many = crowd(60)
    turned = Targets(
        many.position_m[::-1],
        many.velocity_mps[::-1],
        many.rcs_dbsm[::-1],
        many.transponder_mode[::-1],
        many.transponder_id[::-1],
    )
    first, second = scan(PERFECT, turned), scan(PERFECT, many)
    assert first.bearing_deg.tobytes() == second.bearing_deg.tobytes()
    assert first.transponder_id == second.transponder_id
    assert [(59 - index,) for (index,) in first.of] == list(second.of)


def test_of_too_many_detections_the_strongest_are_kept_in_order_and_the_scan_is_marked_truncated() -> None:
    everything = scan(PERFECT, crowd(300))
    limited = scan(dataclasses.replace(PERFECT, max_detections=40), crowd(300))
    weakest_kept_db = np.sort(everything.snr_db)[-40]
    kept = everything.snr_db >= weakest_kept_db
    assert limited.truncated
    assert len(limited) == 40
    assert limited.snr_db.tolist() == everything.snr_db[kept].tolist()
    assert limited.bearing_deg.tolist() == everything.bearing_deg[kept].tolist()
    assert limited.transponder_id == tuple(np.array(everything.transponder_id)[kept].tolist())


def test_exactly_as_many_detections_as_allowed_are_not_truncated() -> None:
    seen = scan(dataclasses.replace(PERFECT, max_detections=3), targets((0, 1_000, 0), (1_000, 0, 0), (0, 0, 1_000)))
    assert len(seen) == 3
    assert not seen.truncated


def test_equal_arguments_give_equal_bits_and_another_step_gives_others() -> None:
    many = crowd(400)
    assert bits(scan(NOISY, many, step=3)) == bits(scan(NOISY, many, step=3))
    assert bits(scan(NOISY, many, step=3)) != bits(scan(NOISY, many, step=4))


def test_the_detection_of_a_target_does_not_depend_on_other_targets_in_view() -> None:
    fixed, near, far = (0, 5_000, 0), (8_000, 0, 0), (900_000, 0, 0)
    model = dataclasses.replace(NOISY, detection_probability=1.0, clutter_per_scan=0.0)
    both = scan(model, targets(near, fixed, near, fixed))
    alone = scan(model, targets(far, fixed, far, fixed))
    assert len(both) == 4
    assert len(alone) == 2
    assert set(alone.range_m.tolist()) <= set(both.range_m.tolist())
    assert set(alone.vr_mps.tolist()) <= set(both.vr_mps.tolist())


def test_the_arguments_are_not_changed() -> None:
    many, own = crowd(50), platform((1, 2, 3), (4, 5, 6))
    before = [array.tobytes() for array in (many.position_m, many.velocity_mps, many.rcs_dbsm, own.position_m)]
    scan(NOISY, many, own)
    assert before == [array.tobytes() for array in (many.position_m, many.velocity_mps, many.rcs_dbsm, own.position_m)]


# Refusals


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf, 1.0001e15, 1e308])
@pytest.mark.parametrize("name", ["position_m", "velocity_mps", "rcs_dbsm"])
def test_a_target_that_is_not_finite_or_too_far_out_is_refused_by_its_array(name: str, wrong: float) -> None:
    valid = crowd(5)
    array = getattr(valid, name).copy()
    array.flat[-1] = wrong
    with pytest.raises(ValueError, match=rf"^{name} holds a value that is not finite"):
        dataclasses.replace(valid, **{name: array})


@pytest.mark.parametrize("wrong", [math.nan, math.inf, 1e200])
@pytest.mark.parametrize("name", ["position_m", "velocity_mps", "attitude"])
def test_a_platform_that_is_not_finite_is_refused_by_the_name_of_its_array(name: str, wrong: float) -> None:
    valid = platform()
    array = getattr(valid, name).copy()
    array[0] = wrong
    with pytest.raises(ValueError, match=rf"^{name} "):
        dataclasses.replace(valid, **{name: array})


@pytest.mark.parametrize("attitude", [(0, 0, 0, 0), (1, 1, 0, 0), (0.99, 0, 0, 0)])
def test_an_attitude_that_is_no_unit_quaternion_is_refused(attitude: Any) -> None:
    with pytest.raises(ValueError, match=r"^attitude must be a unit quaternion"):
        platform(attitude=attitude)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("position_m", np.zeros((5, 2))),
        ("position_m", np.zeros((4, 3))),
        ("position_m", np.zeros((5, 3), dtype=np.float32)),
        ("velocity_mps", np.zeros(15)),
        ("rcs_dbsm", np.zeros((5, 1))),
        ("transponder_mode", np.zeros(4, dtype=np.int64)),
        ("transponder_mode", np.zeros(5)),
        ("transponder_mode", np.array([0, 1, 2, 3, 4])),
        ("transponder_mode", np.array([0, 1, 2, 3, -1])),
    ],
)
def test_a_target_array_of_another_shape_type_or_mode_is_refused_by_its_name(name: str, wrong: Any) -> None:
    with pytest.raises(ValueError, match=rf"^{name} "):
        dataclasses.replace(crowd(5), **{name: wrong})


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("sensor_id", ""),
        ("range_band", 0),
        ("min_range_m", -1.0),
        ("max_range_m", 100.0),
        ("max_range_m", 1e16),
        ("min_elev_deg", -90.1),
        ("max_elev_deg", 90.1),
        ("max_elev_deg", -90.0),
        ("range_sigma_m", -0.1),
        ("bearing_sigma_deg", -0.1),
        ("elev_sigma_deg", -0.1),
        ("vr_sigma_mps", -0.1),
        ("detection_probability", 1.01),
        ("detection_probability", -0.01),
        ("clutter_per_scan", -1.0),
        ("clutter_per_scan", 1e6),
        ("range_ref_m", 0.0),
        ("transponder_range_m", -1.0),
        ("transponder_reply_probability", 2.0),
        ("max_detections", 0),
    ],
)
def test_a_model_with_a_value_out_of_bounds_is_refused_by_the_name_of_the_field(name: str, wrong: Any) -> None:
    with pytest.raises(ValueError, match=rf"^{name} must "):
        dataclasses.replace(PERFECT, **{name: wrong})


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(RadarModel) if field.type is float])
def test_a_model_with_a_value_that_is_not_finite_is_refused_by_the_name_of_the_field(name: str, wrong: Any) -> None:
    with pytest.raises(ValueError, match=rf"^{name} must "):
        dataclasses.replace(PERFECT, **{name: wrong})


# For any input, the output is finite and within the wire's ranges

SIGMAS = st.floats(0.0, 1e15)
MAGNITUDES = st.one_of(st.floats(-1e15, 1e15), st.floats(-1e3, 1e3), st.sampled_from([0.0, -0.0, 5e-324, -1e-160]))
VECTORS = st.tuples(MAGNITUDES, MAGNITUDES, MAGNITUDES)


@st.composite
def models(draw: st.DrawFn) -> RadarModel:
    elevations = draw(st.lists(st.floats(-90.0, 90.0), min_size=2, max_size=2, unique=True))
    ranges = draw(st.lists(st.floats(0.0, 1e15), min_size=2, max_size=2, unique=True))
    return dataclasses.replace(
        PERFECT,
        min_range_m=min(ranges),
        max_range_m=max(ranges),
        min_elev_deg=min(elevations),
        max_elev_deg=max(elevations),
        range_sigma_m=draw(SIGMAS),
        bearing_sigma_deg=draw(SIGMAS),
        elev_sigma_deg=draw(SIGMAS),
        vr_sigma_mps=draw(SIGMAS),
        range_ref_m=draw(st.floats(5e-324, 1e15)),
        clutter_per_scan=draw(st.floats(0.0, 20.0)),
        max_detections=draw(st.integers(1, 30)),
    )


@settings(max_examples=200, deadline=None)
@given(
    model=models(),
    positions_m=st.lists(VECTORS, max_size=8),
    velocity_mps=VECTORS,
    own_m=VECTORS,
    rcs_dbsm=st.floats(-1e15, 1e15),
    mode=st.sampled_from(TransponderMode),
    step=st.integers(0, 2**32),
)
def test_every_detection_is_finite_and_within_the_ranges_of_the_wire(
    *,
    model: RadarModel,
    positions_m: list[Any],
    velocity_mps: Any,
    own_m: Any,
    rcs_dbsm: float,
    mode: TransponderMode,
    step: int,
) -> None:
    many = targets(*positions_m, velocity_mps=velocity_mps, rcs_dbsm=rcs_dbsm, mode=mode, identity="X")
    seen = scan(model, many, platform(own_m), step)
    for name in ("range_m", "bearing_deg", "elev_deg", "vr_mps", "snr_db", "rcs_dbsm"):
        assert np.all(np.isfinite(getattr(seen, name))), name
    assert np.all(seen.range_m > 0.0)
    assert np.all((seen.bearing_deg >= 0.0) & (seen.bearing_deg < 360.0))
    assert np.all((seen.elev_deg >= -90.0) & (seen.elev_deg <= 90.0))
    assert set(seen.transponder_mode.tolist()) <= {TransponderMode.OFF, TransponderMode.ON}
    assert len(seen) <= model.max_detections
    assert seen.transponder_on.tolist() == [identity == "X" for identity in seen.transponder_id]

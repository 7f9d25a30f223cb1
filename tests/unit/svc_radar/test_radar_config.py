"""A radar's capabilities in a BotSpec: one of two ways to configure them; contradictions are reported."""

import math
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from botspec.components.radar import Radar
from botspec.example import example_bot_spec
from mesh.serving.errors import StartError
from svc_radar.config import RadarSettings, to_model
from svc_radar.domain import Bias, Pattern, RadarModel, ScanKind, Sector, SwerlingCase
from svc_radar.wire.sensor_model import to_sensor_model
from svc_tracker.domain.frame import SensorModel

LONG: dict[str, Any] = yaml.safe_load(example_bot_spec().read_text())["components"][2]
PHYSICAL_WAY = (
    "false_alarm_probability",
    "swerling",
    "range_resolution_m",
    "bearing_resolution_deg",
    "elev_resolution_deg",
    "vr_resolution_mps",
)
CONSTANT: dict[str, Any] = {name: value for name, value in LONG.items() if name not in PHYSICAL_WAY} | {
    "detection_probability": 0.9,
    "clutter_per_scan": 3.0,
}


def radar(base: dict[str, Any] = LONG, **changes: Any) -> Radar:
    """Return a radar with values changed; None omits a value."""
    values = base | changes
    return Radar.model_validate({name: value for name, value in values.items() if value is not None})


def refusals(base: dict[str, Any] = LONG, **changes: Any) -> dict[str, str]:
    with pytest.raises(ValidationError) as caught:
        radar(base, **changes)
    return {".".join(map(str, problem["loc"])): problem["msg"] for problem in caught.value.errors()}


def test_the_physical_settings_derive_detection_probability_and_clutter_from_the_echo() -> None:
    sensor_model = to_sensor_model(to_model(radar()))
    assert sensor_model.detection_probability == pytest.approx(1e-8 ** (1.0 / (1.0 + 10.0**2.3)))
    assert sensor_model.clutter_per_scan == pytest.approx(1e-8 * (99_000 / 75) * (360 / 2) * (90 / 3) * (600 / 10))
    assert (sensor_model.range_ref_m, sensor_model.snr_ref_db, sensor_model.rcs_ref_dbsm) == (70_000.0, 23.0, 20.0)
    assert sensor_model.swerling == SwerlingCase.CASE_1


def test_the_constant_settings_give_both_and_no_reference_target() -> None:
    sensor_model = to_sensor_model(to_model(radar(CONSTANT)))
    assert (sensor_model.detection_probability, sensor_model.clutter_per_scan) == (0.9, 3.0)
    assert (sensor_model.range_sigma_m, sensor_model.bearing_sigma_deg) == (20.0, 0.1)
    assert (sensor_model.range_ref_m, sensor_model.false_alarm_probability, sensor_model.swerling) == (0.0, 0.0, 0)


@pytest.mark.parametrize("name", PHYSICAL_WAY)
def test_physical_and_constant_settings_together_are_refused(name: str) -> None:
    problems = refusals(CONSTANT, **{name: LONG[name]})
    assert problems == {name: "excludes detection_probability: either that is constant, or it follows from the echo"}


@pytest.mark.parametrize("name", PHYSICAL_WAY[1:])
def test_incomplete_physical_settings_are_refused(name: str) -> None:
    assert refusals(**{name: None}) == {name: "required with false_alarm_probability, and missing"}


def test_incomplete_constant_settings_are_refused() -> None:
    problems = refusals(CONSTANT, clutter_per_scan=None)
    assert problems == {"clutter_per_scan": "required with detection_probability, and missing"}


def test_settings_of_neither_kind_are_refused_naming_both() -> None:
    problems = refusals(CONSTANT, detection_probability=None, clutter_per_scan=None)
    assert problems == {
        "detection_probability": "required, and missing; or give false_alarm_probability, swerling and the resolutions"
    }


def test_a_quantity_that_is_not_measured_is_omitted() -> None:
    flat = radar(no_elevation=True, elev_sigma_deg=None, elev_resolution_deg=None)
    blunt = radar(no_radial_velocity=True, vr_sigma_mps=None, vr_resolution_mps=None)
    assert to_sensor_model(to_model(flat)).no_elevation
    assert to_sensor_model(to_model(blunt)).no_radial_velocity
    assert refusals(no_elevation=True, elev_resolution_deg=None) == {"elev_sigma_deg": "has no use with no_elevation"}
    assert refusals(no_radial_velocity=True) == {
        "vr_sigma_mps": "has no use with no_radial_velocity",
        "vr_resolution_mps": "has no use with no_radial_velocity",
    }
    assert refusals(vr_sigma_mps=None) == {"vr_sigma_mps": "required, and missing"}


def test_every_setting_reaches_the_radar() -> None:
    model = to_model(
        radar(
            scan_kind="sector",
            coverage={"start_deg": 300.0, "width_deg": 90.0},
            horizon_surface_m=-20.0,
            min_radial_speed_mps=12.0,
            clutter_max_vr_mps=900.0,
            pattern={"elev_deg": 3.0, "elev_width_deg": 30.0, "bearing_deg": 345.0, "bearing_width_deg": 100.0},
            bias={"range_m": 15.0, "bearing_deg": -0.2, "time_s": 0.05},
            pose_sigma_m=2.0,
            north_sigma_deg=0.1,
        )
    )
    assert (model.scan_kind, model.coverage, model.scan_period_s) == (ScanKind.SECTOR, Sector(300.0, 90.0), 1.0)
    assert (model.horizon_surface_m, model.min_radial_speed_mps, model.clutter_max_vr_mps) == (-20.0, 12.0, 900.0)
    assert model.pattern == Pattern(3.0, 30.0, 345.0, 100.0)
    assert model.bias == Bias(15.0, -0.2, 0.05)
    assert (model.pose_sigma_m, model.north_sigma_deg) == (2.0, 0.1)
    assert (model.transponder_garble_range_m, model.transponder_garble_bearing_deg) == (50.0, 2.0)


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"scan_kind": "sector"}, "coverage"),
        ({"scan_kind": "spinning"}, "scan_kind"),
        ({"scan_kind": "rotating", "pattern": {"bearing_width_deg": 5.0}}, "pattern.bearing_width_deg"),
        ({"coverage": {"start_deg": 360.0, "width_deg": 10.0}}, "coverage.start_deg"),
        ({"coverage": {"start_deg": 0.0, "width_deg": 0.0}}, "coverage.width_deg"),
        ({"swerling": 2}, "swerling"),
        ({"snr_ref_db": -1.0}, "snr_ref_db"),
        ({"false_alarm_probability": 0.0}, "false_alarm_probability"),
        ({"false_alarm_probability": 0.11}, "false_alarm_probability"),
        ({"bearing_resolution_deg": 20.1}, "bearing_resolution_deg"),
        ({"bias": {"time_s": 61.0}}, "bias.time_s"),
        ({"north_sigma_deg": 11.0}, "north_sigma_deg"),
        ({"max_range_m": 1_000.0}, "max_range_m"),
    ],
)
def test_inconsistent_settings_are_refused_at_their_key(changes: dict[str, Any], place: str) -> None:
    assert list(refusals(**changes)) == [place]


def test_more_false_detections_than_a_scan_can_hold_are_refused_by_the_radars_name() -> None:
    with pytest.raises(StartError, match=r"radar-long: false_alarm_probability must give at most 100000 false"):
        to_model(radar(false_alarm_probability=0.1))


def test_the_truth_is_not_served_unless_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not RadarSettings.load().serve_truth
    monkeypatch.setenv("QIKI_RADAR_SERVE_TRUTH", "true")
    assert RadarSettings.load().serve_truth


# -- arbitrary settings ------------------------------------------------------------------------------------------------

NUMBERS = st.one_of(
    st.floats(), st.floats(0.0, 1e3), st.integers(-5, 400), st.sampled_from([0.0, -0.0, 1e-300, 1e300, "x", [], True])
)
NAMES = [name for name, field in Radar.model_fields.items() if name not in ("sensor_id", "name", "transponder")]


@settings(max_examples=300, deadline=None)
@given(changes=st.dictionaries(st.sampled_from(NAMES), st.one_of(st.none(), NUMBERS), max_size=4))
def test_any_settings_are_refused_or_give_a_radar_whose_frames_a_tracker_accepts(changes: dict[str, Any]) -> None:
    try:
        model = to_model(radar(**changes))
    except (ValidationError, StartError):
        return
    assert isinstance(model, RadarModel)
    sensor_model = to_sensor_model(model)
    for name in ("range_sigma_m", "bearing_sigma_deg", "elev_sigma_deg", "vr_sigma_mps", "clutter_per_scan"):
        assert math.isfinite(getattr(sensor_model, name))
    same: dict[str, Any] = {
        name: getattr(sensor_model, name)
        for name in SensorModel.__dataclass_fields__
        if name not in ("coverage", "swerling")
    }
    SensorModel(**same)

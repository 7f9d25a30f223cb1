"""Changed settings of a BotSpec: by dotted path, validated as the file is, refused by the field."""

from pathlib import Path

import pytest

from botspec.example import example_bot_spec
from botspec.model import BotSpec
from botspec.override import load_changed, parse_setting
from botspec.yaml_source import SpecError


def changed(*settings: str, path: Path | None = None) -> BotSpec:
    return load_changed(path or example_bot_spec(), [parse_setting(text) for text in settings])


def refusal(*settings: str) -> str:
    with pytest.raises(SpecError) as refused:
        changed(*settings)
    return str(refused.value)


def test_a_setting_that_the_file_leaves_out_is_added() -> None:
    assert changed("tracker.confirm_probability=0.8").tracker.confirm_probability == 0.8


def test_a_member_of_a_list_is_found_by_its_number_or_its_name() -> None:
    spec = changed("guard_rules[0].distance_m=250.0", "guard_rules.unknown-close.range_m=7000.0")
    assert spec.guard_rules[0].distance_m == 250.0
    assert [rule.range_m for rule in spec.guard_rules if rule.name == "unknown-close"] == [7000.0]


def test_a_value_may_be_a_list_of_mappings() -> None:
    mode = "{name: only, horizontal_noise_m2ps3: 1.0, vertical_noise_m2ps3: 1.0, mean_stay_s: 10.0}"
    modes = changed(f"tracker.modes=[{mode}]").tracker.modes
    assert modes is not None
    assert [each.name for each in modes] == ["only"]


@pytest.mark.parametrize(
    ("setting", "where", "reason"),
    [
        ("tracker.confirm_probability=1.0", "tracker.confirm_probability", "less than 1"),
        ("tracker.confirm_probability='0.8'", "tracker.confirm_probability", "valid number"),
        ("tracker.confirm=0.8", "tracker.confirm", "unknown key"),
        ("bot.name.first=x", "bot.name.first", "nothing at this place"),
        ("components[99].power_w=1.0", "components[99].power_w", "there is no 99"),
        ("guard_rules.collision.kind=NONE", "guard_rules[0].kind", "should be one of"),
    ],
)
def test_a_setting_that_the_file_could_not_have_is_refused_by_its_field(setting: str, where: str, reason: str) -> None:
    text = refusal(setting)
    assert f"{where}: " in text
    assert reason in text


def test_settings_that_contradict_each_other_are_refused() -> None:
    text = refusal("tracker.confirm_probability=0.2", "tracker.delete_probability=0.3")
    assert "tracker.delete_probability: should be less than confirm_probability, which is 0.2" in text


def test_an_error_of_the_file_itself_names_its_line(tmp_path: Path) -> None:
    path = tmp_path / "bot.yaml"
    path.write_text(example_bot_spec().read_text().replace("  tick_s: 0.05", "  tick_s: 0.0", 1))
    with pytest.raises(SpecError, match=r"bot\.yaml:[0-9]+: simulation\.tick_s: "):
        changed("tracker.compiled=false", path=path)


@pytest.mark.parametrize("text", ["tracker", "=1", "tracker..x=1", "tracker.x=[", "tracker.x=!!python/name:os"])
def test_a_text_that_is_no_setting_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_setting(text)

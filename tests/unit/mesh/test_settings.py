import os
from pathlib import Path
from typing import ClassVar

import pytest
from pydantic_settings import SettingsConfigDict

from mesh.feeds.retention import RetentionSettings
from mesh.serving.errors import StartError
from mesh.settings import SettingsError
from svc_radar.config import RadarSettings
from svc_sim.config import SimSettings
from svc_sim.pacer import AS_FAST_AS_POSSIBLE


class ToySettings(RetentionSettings):
    model_config = SettingsConfigDict(env_prefix="QIKI_TOY_")
    service_name: ClassVar[str] = "svc_toy"


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for key in [key for key in os.environ if key.upper().startswith("QIKI_")]:
        monkeypatch.delenv(key)


def set_env(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    for key, value in values.items():
        monkeypatch.setenv(key, value)


@pytest.fixture
def config(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return the path of the file that `QIKI_SIM_CONFIG` names; the test writes it."""
    path = tmp_path / "sim.yaml"
    monkeypatch.setenv("QIKI_SIM_CONFIG", str(path))
    return path


def refusal(settings: type[RetentionSettings] = SimSettings) -> str:
    with pytest.raises(SettingsError) as caught:
        settings.load()
    return str(caught.value)


# -- the environment ---------------------------------------------------------------------------------------------------


def test_by_default_a_service_listens_on_loopback_alone() -> None:
    for settings in (SimSettings.load(), RadarSettings.load()):
        assert settings.host == "127.0.0.1"


def test_the_environment_sets_the_settings_it_names(monkeypatch: pytest.MonkeyPatch) -> None:
    set_env(monkeypatch, QIKI_SIM_GRPC_PORT="0", QIKI_SIM_SPEED="2.5", QIKI_SIM_SEED="7", QIKI_SIM_PAUSED="true")
    settings = SimSettings.load()
    assert (settings.grpc_port, settings.speed_factor(), settings.seed, settings.paused) == (0, 2.5, 7, True)


def test_speed_may_be_max(monkeypatch: pytest.MonkeyPatch) -> None:
    set_env(monkeypatch, QIKI_SIM_SPEED="max")
    assert SimSettings.load().speed_factor() == AS_FAST_AS_POSSIBLE


@pytest.mark.parametrize("key", ["QIKI_SIM_SPED", "qiki_sim_sped", "QIKI_SIM_"])
def test_an_unknown_variable_is_refused_with_the_known_ones(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv(key, "1")
    text = refusal()
    assert text.startswith(f"unknown setting in the environment: {key}; known: ")
    for known in ("QIKI_SIM_SPEED", "QIKI_SIM_CONFIG", "QIKI_SIM_STATE_DIR"):
        assert known in text


def test_a_variable_of_another_service_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    set_env(monkeypatch, QIKI_SIM_SPEED="2", QIKI_RADARS="x")
    RadarSettings.load()


BAD_VALUES = [
    ("SPEED", "-1", "greater than or equal to 0.1"),
    ("SPEED", "nan", "finite"),
    ("SPEED", "inf", "finite"),
    ("SPEED", "1e9", "less than or equal to 1000"),
    ("SPEED", "fast", "'max'"),
    ("SPEED", "", "'max'"),
    ("GRPC_PORT", "70000", "less than or equal to 65535"),
    ("GRPC_PORT", "-1", "greater than or equal to 0"),
    ("HTTP_PORT", "x", "valid integer"),
    ("HOST", "", "at least 1 character"),
    ("SEED", "-1", "greater than or equal to 0"),
    ("SEED", str(2**63), "less than"),
    ("SEED", "1.5", "valid integer"),
    ("RUN_ID", "run-1", "valid UUID"),
    ("START_TIME", "2026-01-01T00:00:00", "timezone"),
    ("START_TIME", "yesterday", "valid datetime"),
    ("FLOW_CONTROL", "slow", "'live' or 'lossless'"),
    ("PAUSED", "perhaps", "valid boolean"),
    ("RETENTION_S", "nan", "finite"),
    ("RETENTION_S", "0", "greater than 0"),
    ("RETENTION_BYTES", "10", "greater than or equal to 2000000"),
    ("HEARTBEAT_S", "inf", "finite"),
    ("STALL_S", "nan", "finite"),
    ("TRACE_SAMPLE_RATIO", "1.1", "less than or equal to 1"),
    ("LOG_FORMAT", "xml", "'auto', 'json' or 'text'"),
    ("LOG_LEVEL", "loud", "'debug'"),
]


@pytest.mark.parametrize(("name", "value", "why"), BAD_VALUES)
def test_a_wrong_value_is_refused_in_one_line_that_names_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, why: str
) -> None:
    monkeypatch.setenv(f"QIKI_SIM_{name}", value)
    text = refusal()
    assert text.startswith(f"QIKI_SIM_{name}: ")
    assert why in text
    assert f"got {value!r}" in text
    assert "\n" not in text
    assert "CONSTRAINED" not in text.upper().split(": ", 1)[0]


def test_every_wrong_value_is_reported_on_its_own_line(monkeypatch: pytest.MonkeyPatch) -> None:
    set_env(monkeypatch, QIKI_SIM_SPEED="x", QIKI_SIM_SEED="y", QIKI_SIM_FLOW_CONTROL="z")
    lines = refusal().splitlines()
    assert sorted(line.split(":")[0] for line in lines) == ["QIKI_SIM_FLOW_CONTROL", "QIKI_SIM_SEED", "QIKI_SIM_SPEED"]


def test_settings_are_not_changed_after_they_are_read() -> None:
    with pytest.raises(ValueError, match="frozen"):
        SimSettings.load().speed = 2.0  # type: ignore[misc]  # what is tested


# -- the file ----------------------------------------------------------------------------------------------------------


def test_a_yaml_file_sets_the_settings_it_names(config: Path) -> None:
    config.write_text("speed: max\nseed: 11\nstart_time: 2026-01-01T00:00:00Z\n", encoding="utf-8")
    settings = SimSettings.load()
    assert (settings.speed, settings.seed) == ("max", 11)
    assert settings.start_time is not None


def test_the_environment_wins_over_the_file(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config.write_text("speed: 3.0\nseed: 11\n", encoding="utf-8")
    monkeypatch.setenv("QIKI_SIM_SPEED", "4.0")
    settings = SimSettings.load()
    assert (settings.speed, settings.seed) == (4.0, 11)


def test_an_empty_file_sets_nothing(config: Path) -> None:
    config.write_text("", encoding="utf-8")
    assert SimSettings.load() == SimSettings()


def test_an_unknown_key_in_the_file_is_refused_with_the_known_ones(config: Path) -> None:
    config.write_text("sped: 3.0\n", encoding="utf-8")
    text = refusal()
    assert text.startswith("QIKI_SIM_CONFIG: unknown setting in the file: sped; known: ")
    assert "QIKI_SIM_SPEED" in text


@pytest.mark.parametrize(
    ("content", "name"), [("speed: .nan", "SPEED"), ("speed: -1", "SPEED"), ("retention_s: .inf", "RETENTION_S")]
)
def test_a_wrong_value_in_the_file_is_refused_by_its_name(config: Path, content: str, name: str) -> None:
    config.write_text(content, encoding="utf-8")
    assert refusal().startswith(f"QIKI_SIM_{name}: ")


@pytest.mark.parametrize(
    "content", [b"[1, 2]", b"just text", b"3", b"a: [", b"\xff\xfe\x00", b"a: !!python/object:os.x 1"]
)
def test_a_file_that_holds_no_settings_is_refused(config: Path, content: bytes) -> None:
    config.write_bytes(content)
    assert refusal().startswith("QIKI_SIM_CONFIG: ")


def test_a_file_that_is_not_there_is_refused_by_its_path(config: Path) -> None:
    assert refusal() == f"QIKI_SIM_CONFIG: no such file: {config}"


# -- settings that depend on each other --------------------------------------------------------------------------------


def test_half_the_retention_must_exceed_the_longest_step_that_is_read_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    set_env(monkeypatch, QIKI_TOY_RETENTION_S="2.0")
    settings = ToySettings.load()
    settings.check_retention(0.99)
    with pytest.raises(StartError, match="retention_s is 2: half of it must exceed 1 s"):
        settings.check_retention(1.0)

"""The BotSpec's section `tracker` becomes the tracker's model; settings left out have its defaults."""

import dataclasses
import importlib.util
import re
import sys
from pathlib import Path

import pytest

from botspec.example import example_bot_spec
from botspec.model import BotSpec, load_bot_spec
from declared import minimal_text
from mesh.serving.errors import StartError
from mesh.serving.health import Health
from mesh.serving.runtime import ServiceContext
from mesh.telemetry.telemetry import Telemetry
from qiki_sdk.audit import AuditReporter
from svc_tracker import wiring
from svc_tracker.config import TrackerSettings, to_rules
from svc_tracker.domain.model import Mode, TrackerModel

HEAD = minimal_text()


def load(tmp_path: Path, text: str) -> BotSpec:
    path = tmp_path / "bot.yaml"
    path.write_text(HEAD + text)
    return load_bot_spec(path).spec


def commented_example() -> str:
    """Return the example's section `tracker`, which is a comment."""
    lines = example_bot_spec().read_text().splitlines()
    begin = lines.index("# tracker:")
    section = []
    for line in lines[begin:]:
        if not line.startswith("#"):
            break
        section.append(line.removeprefix("# "))
    return "\n".join(section)


def test_settings_left_out_take_the_trackers_defaults(tmp_path: Path) -> None:
    assert to_rules(load(tmp_path, "")).model == TrackerModel()
    assert to_rules(load(tmp_path, "tracker: {}\n")).model == TrackerModel()
    assert to_rules(load_bot_spec(example_bot_spec()).spec).model == TrackerModel()


def test_the_examples_comment_lists_every_setting_with_its_default(tmp_path: Path) -> None:
    spec = load(tmp_path, commented_example())
    assert to_rules(spec).model == TrackerModel()
    assert all(value is not None for value in spec.tracker.model_dump().values())


def test_every_setting_reaches_the_tracker(tmp_path: Path) -> None:
    text = """
tracker:
  modes:
    - {name: cruise, horizontal_noise_m2ps3: 0.25, vertical_noise_m2ps3: 0.125, mean_stay_s: 100}
    - {name: left, turn_rate_dps: -6, horizontal_noise_m2ps3: 2, vertical_noise_m2ps3: 3, mean_stay_s: 8}
  horizontal_speed_sigma_mps: 10
  vertical_speed_sigma_mps: 1
  gate_probability: 0.99
  new_target_probability: 0.5
  birth_rate_per_scan: 2.5
  mean_lifetime_s: 1000
  confirm_probability: 0.9
  delete_probability: 0.1
  max_coast_s: 33
"""
    assert to_rules(load(tmp_path, text)).model == TrackerModel(
        modes=(Mode("cruise", 0.0, 0.25, 0.125, 100.0), Mode("left", -6.0, 2.0, 3.0, 8.0)),
        horizontal_speed_sigma_mps=10.0,
        vertical_speed_sigma_mps=1.0,
        gate_probability=0.99,
        new_target_probability=0.5,
        birth_rate_per_scan=2.5,
        mean_lifetime_s=1000.0,
        confirm_probability=0.9,
        delete_probability=0.1,
        max_coast_s=33.0,
    )


def test_a_setting_that_contradicts_a_default_is_refused_at_the_start(tmp_path: Path) -> None:
    spec = load(tmp_path, "tracker: {delete_probability: 0.9}\n")
    with pytest.raises(StartError, match=r"^the BotSpec's tracker: delete_probability must be less than confirm_"):
        to_rules(spec)


def test_compiled_without_numba_is_refused_at_the_start_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "numba", None)
    assert not to_rules(load(tmp_path, "")).model.compiled
    with pytest.raises(StartError, match=re.escape("pip install 'qiki-mesh[speed]'")):
        to_rules(load(tmp_path, "tracker: {compiled: true}\n"))


@pytest.mark.skipif(importlib.util.find_spec("numba") is None, reason="numba is not installed")
def test_compiled_with_numba_reaches_the_model(tmp_path: Path) -> None:
    model = to_rules(load(tmp_path, "tracker: {compiled: true}\n")).model
    assert model == dataclasses.replace(TrackerModel(), compiled=True)


@pytest.mark.asyncio
async def test_a_scan_longer_than_max_coast_is_refused_at_the_start(tmp_path: Path) -> None:
    path = tmp_path / "bot.yaml"
    path.write_text(f"{example_bot_spec().read_text()}\ntracker: {{max_coast_s: 1.0}}\n")
    base = ServiceContext(Health("test", stall_s=60.0), Telemetry("test"), AuditReporter("", "test"))
    with pytest.raises(StartError, match="a scan takes 1 s: tracks are given up after 1 s unseen"):
        wiring.build(TrackerSettings(grpc_port=0, http_port=0, bot_spec=path), base)
    path.write_text(f"{example_bot_spec().read_text()}\ntracker: {{max_coast_s: 1.1}}\n")
    assert wiring.build(TrackerSettings(grpc_port=0, http_port=0, bot_spec=path), base).feeds

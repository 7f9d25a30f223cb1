"""Runtime configurations: what a service reads, stamped with the digest of the BotSpec that it was generated from."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from botspec.derived.runtime import SERVICES, generate, load_part, write
from botspec.example import example_bot_spec, example_bots
from botspec.model import BotSpec, Loaded, load_bot_spec
from botspec.sections import Bus, Fitted, Tracking
from botspec.yaml_source import SpecError


@dataclass(frozen=True)
class Settings:
    bot_spec: Path | None = None
    runtime: Path | None = None


@pytest.fixture(params=list(example_bots().values()), ids=list(example_bots()))
def loaded(request: pytest.FixtureRequest) -> Loaded[BotSpec]:
    return load_bot_spec(request.param)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_reads_the_same_from_its_generated_file_as_from_the_bot_spec(
    tmp_path: Path, loaded: Loaded[BotSpec], service: str
) -> None:
    write(loaded, tmp_path)
    section = SERVICES[service]
    generated = load_part(section, service, Settings(loaded.path, tmp_path / f"{service}.json"))
    direct = load_part(section, service, Settings(loaded.path))
    assert generated.spec == direct.spec
    assert generated.digest == direct.digest == loaded.digest


def test_a_service_gets_only_what_it_reads() -> None:
    loaded = load_bot_spec(example_bots()["inspection-craft"])
    radar = load_part(Fitted, "radar", Settings(loaded.path)).spec
    assert [component.type for component in radar.components] == ["radar", "radar"]
    assert radar.radars == loaded.spec.radars
    parts = {service: set(json.loads(text)["spec"]) for service, text in generate(loaded).items()}
    assert parts["registrar"] == {"bot", "simulation", "required_readers"}
    assert parts["archive"] == parts["bridge"] == {*parts["registrar"], "channels", "streams", "durables"}
    assert parts["tracker"] == {*parts["registrar"], "components", "tracker", "identity_policy", "guard_rules"}
    assert load_part(Fitted, "sim", Settings(loaded.path)).spec.components == loaded.spec.components


def test_without_settings_the_example_bot_is_used() -> None:
    assert load_part(Tracking, "tracker", Settings()).path == example_bot_spec()


def test_a_file_of_another_bot_spec_is_refused(tmp_path: Path) -> None:
    write(load_bot_spec(example_bot_spec()), tmp_path)
    edited = tmp_path / "BotSpec.yaml"
    edited.write_text(example_bot_spec().read_text() + "# one more line\n")
    with pytest.raises(SpecError, match=r"generated from another BotSpec: .*; run `qiki botspec generate` again"):
        load_part(Bus, "bridge", Settings(edited, tmp_path / "bridge.json"))
    assert load_part(Bus, "bridge", Settings(None, tmp_path / "bridge.json")).spec.channels


def change(**values: Any) -> Callable[[dict[str, Any]], object]:
    return lambda document: document.update(values)


def faster_tick(document: dict[str, Any]) -> None:
    document["spec"]["simulation"]["tick_s"] = 0.01


@pytest.mark.parametrize(
    ("edit", "refusal"),
    [
        (faster_tick, "content_sha256: does not match the content: the file was changed by hand"),
        (change(bot_spec_sha256="0" * 64), "bot_spec_sha256: generated from another BotSpec"),
        (change(bot_spec_sha256=None), "bot_spec_sha256: generated from another BotSpec"),
        (change(content_sha256=""), "content_sha256: does not match the content"),
        (change(service="radar"), "service: should be 'bridge', not 'radar': name this service's own file"),
        (change(format="qiki.runtime.v0"), "format: should be 'qiki.runtime.v1', not 'qiki.runtime.v0'"),
        (change(spec=None), "content_sha256: does not match the content"),
    ],
)
def test_a_changed_file_is_refused_with_its_field(
    tmp_path: Path, edit: Callable[[dict[str, Any]], object], refusal: str
) -> None:
    write(load_bot_spec(example_bot_spec()), tmp_path)
    path = tmp_path / "bridge.json"
    document = json.loads(path.read_text())
    edit(document)
    path.write_text(json.dumps(document))
    with pytest.raises(SpecError) as caught:
        load_part(Bus, "bridge", Settings(example_bot_spec(), path))
    assert str(caught.value).startswith(f"{path}: {refusal}")


@pytest.mark.parametrize("text", ["", "[]", "{", "7", "\x00", "[" * 100_000])
def test_a_file_that_is_no_runtime_configuration_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bridge.json"
    path.write_text(text)
    with pytest.raises(SpecError, match=r"bridge\.json"):
        load_part(Bus, "bridge", Settings(None, path))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="cannot be read: No such file"):
        load_part(Bus, "bridge", Settings(None, tmp_path / "bridge.json"))

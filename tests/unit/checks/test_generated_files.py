"""Files generated from the example bots, and how compose starts the services from generated ones."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from botspec.derived.runtime import SERVICES
from botspec.example import example_bots
from checks.generated_files import ROOT, RUNTIME, SCHEMA, generated, main, problems


def test_the_committed_files_are_what_the_example_bots_generate() -> None:
    assert list(problems(ROOT, dict(generated()))) == []


def test_check_finds_a_changed_a_missing_and_a_left_over_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = ("--root", str(tmp_path))
    assert (main(root), main((*root, "--check"))) == (0, 0)
    (tmp_path / SCHEMA).write_text("{}")
    (tmp_path / RUNTIME / "qiki-01" / "sim.json").unlink()
    (tmp_path / RUNTIME / "forgotten").mkdir()
    (tmp_path / RUNTIME / "forgotten" / "sim.json").write_text("{}")
    capsys.readouterr()
    assert main((*root, "--check")) == 1
    assert capsys.readouterr().out.splitlines() == [
        "botspec/BotSpec.schema.json is not what the BotSpec generates; run `make botspec`",
        "deploy/runtime/qiki-01/sim.json is missing; run `make botspec`",
        "deploy/runtime/forgotten/sim.json belongs to no example bot; run `make botspec`",
    ]


def test_every_example_bot_has_a_file_for_every_service() -> None:
    paths = {path for path, _text in generated()}
    assert paths >= {RUNTIME / name / f"{service}.json" for name in example_bots() for service in SERVICES}


def test_compose_starts_every_service_from_a_generated_file_and_the_bot_spec_that_it_must_match() -> None:
    compose: Any = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    services = compose["services"]
    spec = "${QIKI_BOT_SPEC:-./botspec/BotSpec.yaml}:/etc/qiki/BotSpec.yaml:ro"
    assert spec in services["config"]["volumes"]
    assert spec in services["nats-init"]["volumes"]
    for service in SERVICES:
        settings = services[service]["environment"]
        assert settings[f"QIKI_{service.upper()}_BOT_SPEC"] == "/etc/qiki/BotSpec.yaml"
        assert settings[f"QIKI_{service.upper()}_RUNTIME"] == f"/etc/qiki/runtime/{service}.json"
        assert {spec, "runtime:/etc/qiki/runtime:ro"} <= set(services[service]["volumes"])
        assert services[service]["depends_on"]["config"] == {"condition": "service_completed_successfully"}

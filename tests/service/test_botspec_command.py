"""The commands `qiki botspec` and `qiki nats permissions`, and the option that chooses the bot."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from botspec.example import example_bot_spec, example_bots
from cli.botspec.option import bot_file
from cli.errors import UsageError

EXAMPLE = example_bot_spec()


def qiki(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cli", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **environment},
    )


def test_validate_reports_a_valid_bot_in_one_line_and_every_problem_of_another(tmp_path: Path) -> None:
    valid = qiki("botspec", "validate")
    assert valid.returncode == 0
    assert f"{EXAMPLE}: valid: qiki-01 with 4 components, 6 channels, 6 streams, 3 durables" in valid.stdout
    path = tmp_path / "bot.yaml"
    text = EXAMPLE.read_text().replace("tick_s: 0.05", "tick_s: -1")
    path.write_text(text.replace("range_band: LR", "range_band: XR"))
    broken = qiki("botspec", "validate", str(path))
    assert (broken.returncode, broken.stdout) == (1, "")
    assert [line.partition(":")[0] for line in broken.stderr.splitlines()[1:]] == [str(path)] * 2
    assert "Traceback" not in broken.stderr


def test_generate_writes_a_file_a_service_and_check_finds_a_changed_one(tmp_path: Path) -> None:
    out = ("--out", str(tmp_path))
    done = qiki("botspec", "generate", *out, QIKI_BOT_SPEC="coastal-post")
    assert done.returncode == 0
    assert {path.name for path in tmp_path.iterdir()} == {
        f"{service}.json" for service in ("sim", "radar", "tracker", "registrar", "bridge", "archive")
    }
    assert json.loads((tmp_path / "sim.json").read_text())["spec"]["bot"]["bot_id"] == "coastal-post-01"
    assert qiki("botspec", "generate", "coastal-post", *out, "--check").returncode == 0
    (tmp_path / "radar.json").write_text("{}")
    stale = qiki("botspec", "generate", "coastal-post", *out, "--check")
    assert stale.returncode == 1
    assert f"{tmp_path / 'radar'}.json; run `qiki botspec generate" in stale.stderr
    assert (tmp_path / "radar.json").read_text() == "{}"


def test_a_service_refuses_a_file_whose_stamp_does_not_match(tmp_path: Path) -> None:
    qiki("botspec", "generate", "coastal-post", "--out", str(tmp_path))
    environment = {
        "QIKI_ARCHIVE_RUNTIME": str(tmp_path / "archive.json"),
        "QIKI_ARCHIVE_BOT_SPEC": str(EXAMPLE),
        "QIKI_ARCHIVE_GRPC_PORT": "0",
        "QIKI_ARCHIVE_HTTP_PORT": "0",
    }
    command = [sys.executable, "-m", "adapters.archive"]
    refused = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **environment}
    )
    assert refused.returncode == 2
    assert "bot_spec_sha256: generated from another BotSpec" in refused.stderr
    assert "run `qiki botspec generate` again" in refused.stderr


def test_the_schema_knows_every_type_of_component() -> None:
    schema = json.loads(qiki("botspec", "schema").stdout)
    types = schema["properties"]["components"]["items"]["discriminator"]["mapping"]
    assert {"rigid_body", "thruster", "radar", "ais_receiver"} <= set(types)
    assert set(schema["required"]) == {
        *("schema_version", "bot", "simulation", "components", "channels", "streams", "durables"),
    }


def test_a_picture_goes_to_a_file_as_svg_and_to_the_terminal_as_mermaid(tmp_path: Path) -> None:
    out = tmp_path / "bot.svg"
    assert qiki("botspec", "graph", "inspection-craft", "--out", str(out)).returncode == 0
    assert out.read_text().startswith("<svg ")
    text = qiki("botspec", "graph", "--format", "mermaid")
    assert "flowchart LR" in text.stdout
    nowhere = qiki("botspec", "graph", "--out", str(tmp_path / "no" / "bot.svg"))
    assert nowhere.returncode == 1
    assert "cannot be written: No such file or directory" in nowhere.stderr


def test_diff_shows_what_differs_by_exit_status_too(tmp_path: Path) -> None:
    path = tmp_path / "bot.yaml"
    path.write_text(EXAMPLE.read_text().replace("seed: 20240229 ", "seed: 1 ") + "# a comment\n")
    changed = qiki("botspec", "diff", "qiki-01", str(path))
    assert (changed.returncode, changed.stdout) == (1, "simulation.seed: 20240229 -> 1\n")
    same = qiki("botspec", "diff", "qiki-01", str(EXAMPLE))
    assert (same.returncode, same.stdout) == (0, "The two specify the same bot.\n")


def test_permissions_are_those_of_the_chosen_bot() -> None:
    printed = qiki("nats", "permissions", "--bot", "coastal-post")
    assert printed.returncode == 0
    assert '"qiki.responses.v1.coastal-post-01"' in printed.stdout
    assert "$QIKI_NATS_BRIDGE_PASSWORD" in printed.stdout


def test_a_bot_is_an_example_by_name_or_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert bot_file("inspection-craft") == example_bots()["inspection-craft"]
    (tmp_path / "mine.yaml").write_text("")
    monkeypatch.chdir(tmp_path)
    assert bot_file("mine.yaml") == tmp_path / "mine.yaml"
    with pytest.raises(UsageError, match="there is no such file, and the example bots are qiki-01, coastal-post,"):
        bot_file("nobody")

"""Advice in JetStream refusals: each option they name exists in the command they name."""

import re

import pytest
from typer.testing import CliRunner

from adapters.jetstream.client.errors import OUT_OF_SPACE, advice
from cli.app import build_app


@pytest.mark.parametrize("code", OUT_OF_SPACE)
def test_the_advice_for_a_lack_of_space_names_an_option_of_its_command(code: int) -> None:
    (command,) = re.findall(r"`qiki ([^`]*)`", advice(code))
    words = command.split()
    options = [word for word in words if word.startswith("--")]
    names = words[: words.index(options[0])]
    shown = CliRunner().invoke(build_app(), [*names, "--help"], env={"COLUMNS": "200", "TERM": "dumb", "NO_COLOR": "1"})
    assert shown.exit_code == 0
    assert options
    assert all(option in shown.stdout for option in options)

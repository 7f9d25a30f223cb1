"""Output that cannot be written is lost; the program goes on, and ends with its own exit status."""

import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

# It writes in every way that the command does, before and after the output is gone, and ends with status 7.
PROGRAM = """
import sys
from rich.console import Console
from rich.live import Live
from cli.output import lossy_output

with lossy_output():
    print("before", flush=True)
    sys.stdin.readline()
    console = Console(force_terminal=True)
    with Live(console=console, auto_refresh=False, transient=True) as live:
        for number in range(2000):
            print("some line", number, flush=True)
            console.print("and another")
        live.update("a table", refresh=True)
    print("an error", file=sys.stderr)
    print("never flushed", end="")
sys.exit(7)
"""


def run(output: int, lose: Callable[[], None]) -> int:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=output,
        env={**os.environ, "PYTHONUNBUFFERED": ""},  # output still buffered when Python exits is the hard part
    )
    os.close(output)
    lose()
    process.communicate(b"\n", timeout=60)
    return process.returncode


def test_a_terminal_that_is_closed_ends_nothing() -> None:
    terminal, inner = pty.openpty()
    assert run(inner, lambda: os.close(terminal)) == 7


def test_a_pipe_without_a_reader_ends_nothing() -> None:
    reader, writer = os.pipe()
    assert run(writer, lambda: os.close(reader)) == 7


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
def test_a_full_disk_below_the_output_ends_nothing() -> None:
    assert run(os.open("/dev/full", os.O_WRONLY), lambda: None) == 7


def test_output_to_an_open_pipe_is_written_whole() -> None:
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as output:
        process = subprocess.Popen([sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=writer, stderr=writer)
        os.close(writer)
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.close()
        text = output.read().decode()
    assert process.wait(timeout=60) == 7
    assert text.startswith("before\n")
    assert text.count("some line") == 2000
    assert "an error\n" in text
    assert text.endswith("never flushed")

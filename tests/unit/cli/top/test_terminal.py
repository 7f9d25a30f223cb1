"""`qiki top` on a real pseudo-terminal, without a mesh: its screen, its keys, and the terminal after it."""

import os
import signal
import subprocess
import sys

import pytest

from cli.local_mesh.ports import DEFAULT_PORTS, choose_ports
from cli.views.top.terminal.keys import MAX_SEQUENCE_BYTES, KeyDecoder
from top_terminal import CURSOR_ON, ENTER, LEAVE, QIKI, TopRun, top

# The real program with a view that fails.
BROKEN = """
from cli.views.top.views import streams
def fail(snapshot, width):
    raise RuntimeError("a view failed")
import cli.views.top.views.page as page
page._LISTS = {**page._LISTS, page.View.STREAMS: fail}
from cli.__main__ import main
main()
"""

# The real program with a library that writes to standard error, past Python, while the view is open.
NOISY = """
import os
from cli.views.top.views import streams
render = streams.render
def noisy(snapshot, width):
    os.write(2, b"W0000 a remark of a library\\n")
    return render(snapshot, width)
import cli.views.top.views.page as page
page._LISTS = {**page._LISTS, page.View.STREAMS: noisy}
from cli.__main__ import main
main()
"""


def free_ports() -> tuple[str, ...]:
    """Return options with ports on which nothing listens."""
    ports = choose_ports({}, free=True)
    return tuple(part for name in DEFAULT_PORTS for part in ("--port", f"{name}={ports[name]}"))


def is_restored(run: TopRun) -> bool:
    """Return whether the terminal is as it was: mode, screen, cursor."""
    output = run.display.output
    assert output.count(ENTER) == output.count(LEAVE)
    return run.line_mode() == run.mode and output.rindex(LEAVE) > output.rindex(ENTER) and CURSOR_ON in output


def test_it_shows_a_mesh_that_is_not_there_in_every_view_and_restores_the_terminal_at_q() -> None:
    with top(*free_ports()) as run:
        text = run.shows("0/7 SERVING")
        assert run.line_mode() != run.mode, "keys come one by one"
        run.shows("3 alerts(7)")
        for keys, expected in (
            ("2", "No service has exported a feed yet."),
            ("\t", "radar is UNREACHABLE: no connection to 127.0.0.1:"),
            ("\x1b[C", "tracks: none yet"),
            ("5", "no events yet"),
            ("\x1b[Z", "10 km"),
            ("?", "next and previous view"),
            ("\x1b", "10 km"),
            ("1p", "PAUSED: p resumes"),
        ):
            run.press(keys)
            text = run.shows(expected)
        assert len(text.splitlines()) == 24
        run.press("q")
        assert run.end() == 0
        assert is_restored(run)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_with_the_usual_status_and_restores_the_terminal(number: signal.Signals) -> None:
    with top(*free_ports()) as run:
        run.shows("0/7 SERVING")
        run.process.send_signal(number)
        assert run.end() == 128 + number
        assert is_restored(run)
        assert "Traceback" not in run.display.output


def test_an_error_in_a_view_restores_the_terminal_before_it_is_shown() -> None:
    with top(*free_ports(), command=(sys.executable, "-c", BROKEN)) as run:
        run.shows("0/7 SERVING")
        run.press("2")
        assert run.end() == 1
        assert is_restored(run)
        assert run.display.output.index("RuntimeError: a view failed") > run.display.output.index(LEAVE)


def test_messages_of_libraries_come_after_the_view_and_not_into_it() -> None:
    with top(*free_ports(), command=(sys.executable, "-c", NOISY)) as run:
        run.shows("0/7 SERVING")
        run.press("2")
        run.shows("No service has exported a feed yet.")
        run.press("q")
        assert run.end() == 0
        assert run.display.output.index("a remark of a library") > run.display.output.index(LEAVE)


def test_it_follows_the_size_of_the_terminal() -> None:
    with top(*free_ports()) as run:
        run.shows("0/7 SERVING")
        for width, height in ((120, 40), (40, 10), (20, 3), (80, 24)):
            run.resize(width, height)
            run.until(lambda screen: "at least" in screen or "SERVING" in screen, f"drawn at {width} x {height}")
        run.press("q")
        assert run.end() == 0


def test_a_terminal_that_takes_nothing_does_not_keep_it_from_ending() -> None:
    with top(*free_ports(), width=400, height=200) as run:
        run.shows("0/7 SERVING")
        for _ in range(200):  # pictures that nobody reads fill the terminal's buffer
            run.press("45")
            run.process.send_signal(signal.SIGWINCH)
        run.process.send_signal(signal.SIGTERM)
        run.process.wait(timeout=60)
        assert run.process.returncode == 128 + signal.SIGTERM
        assert run.line_mode() == run.mode


def test_a_terminal_that_is_closed_ends_it() -> None:
    with top(*free_ports()) as run:
        run.shows("0/7 SERVING")
        os.close(run.terminal)
        run.terminal = os.open(os.devnull, os.O_RDONLY)
        assert run.process.wait(timeout=60) in (0, 128 + signal.SIGHUP)


def test_ctrl_z_gives_the_terminal_back_until_it_continues() -> None:
    with top(*free_ports()) as run:
        run.shows("0/7 SERVING")
        run.process.send_signal(signal.SIGTSTP)
        _, status = os.waitpid(run.process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        assert run.line_mode() == run.mode
        run.process.send_signal(signal.SIGCONT)
        run.press("2")
        run.shows("No service has exported a feed yet.")
        run.press("q")
        assert run.end() == 0
        assert is_restored(run)


def test_without_a_terminal_it_names_the_option_that_needs_none() -> None:
    result = subprocess.run(
        [*QIKI, "top", *free_ports()], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 2
    assert result.stderr == "qiki: This is no terminal. `qiki top --once` prints one snapshot, with --json as JSON.\n"


def test_keys_are_decoded_however_the_bytes_are_cut() -> None:
    decoder = KeyDecoder()
    assert decoder.feed(b"a\x1b[A\x1bOB\x1b[5~\x1b[Z\t\x1b") == [
        "a",
        "up",
        "down",
        "page-up",
        "shift-tab",
        "tab",
        "escape",
    ]
    assert decoder.feed(b"\x1b[") == []
    assert decoder.feed(b"6~q") == ["page-down", "q"]
    assert decoder.feed(b"\x1b[1;5C\x1b[200~q\x1bxq\x00\x80\xff") == ["q", "q"], "unknown keys are left out"
    decoder.feed(b"\x1b[" + b"1" * 100)
    assert decoder.feed(b"\x1b[A")[-1] == "up"
    for _ in range(1000):
        decoder.feed(b"\x1b[1")
        assert len(decoder._rest) <= MAX_SEQUENCE_BYTES

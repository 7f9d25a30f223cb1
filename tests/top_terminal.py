"""`qiki top` in a real pseudo-terminal, and the text on its screen."""

import codecs
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

QIKI = (sys.executable, "-P", "-m", "cli")
WAIT_S = 60.0
ENTER, LEAVE = "\x1b[?1049h", "\x1b[?1049l"
CURSOR_ON = "\x1b[?25h"
_TOKEN = re.compile(r"\x1b\[(?P<parameters>[?0-9;]*)(?P<final>[A-Za-z])|(?P<text>[^\x1b]+)|(?P<other>\x1b)")


class Display:
    """The screen as the bytes of the program draw it: positions, erasure and text. Raises on any other control.

    What comes while the program has not taken the screen, or before its first picture of this size, is left out.
    """

    def __init__(self, width: int, height: int, taken: bool = False) -> None:
        self.width, self.height = width, height
        self.cells = [[" "] * width for _ in range(height)]
        self.row = self.column = 0
        self.output = ""
        self._taken, self._cleared = taken, False
        self._decode = codecs.getincrementaldecoder("utf-8")("strict")
        self._rest = ""

    def feed(self, data: bytes) -> None:
        text = self._rest + self._decode.decode(data)
        self.output += text[len(self._rest) :]
        cut = text.rfind("\x1b")  # the last sequence may not be complete
        self._rest = text[cut:] if cut >= 0 and not _TOKEN.match(text, cut)["final"] else ""  # type: ignore[index]
        for token in _TOKEN.finditer(text[: len(text) - len(self._rest)]):
            if token["text"] is not None:
                self._write(token["text"])
            else:
                self._control(token["parameters"] or "", token["final"] or "")

    def text(self) -> str:
        return "\n".join("".join(line).rstrip() for line in self.cells)

    def _write(self, text: str) -> None:
        if not (self._taken and self._cleared):
            return
        for character in text:
            assert character.isprintable(), f"a control character: {text!r}"
            assert self.column < self.width, f"beyond the right edge in line {self.row}: {text!r}"
            assert self.row < self.height, f"below the last line: {text!r}"
            self.cells[self.row][self.column] = character
            self.column += 1

    def _control(self, parameters: str, final: str) -> None:
        assert final in "HJmhl", f"an unexpected control sequence: {parameters!r}{final!r}"
        if final == "H":
            self.row, self.column = (int(number) - 1 for number in parameters.split(";"))
        elif parameters == "?1049":
            self._taken, self._cleared = final == "h", False
        elif final == "J":
            self._cleared = True
            self.cells = [[" "] * self.width for _ in range(self.height)]


class TopRun:
    """A running `qiki top` with its terminal."""

    def __init__(self, arguments: tuple[str, ...], width: int, height: int, command: tuple[str, ...] = QIKI) -> None:
        self.terminal, self._inner = pty.openpty()
        self._set_size(width, height)
        self.mode = self.line_mode()
        self.display = Display(width, height)
        environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        environment.pop("NO_COLOR", None)
        self.process = subprocess.Popen(
            [*command, "top", *arguments],
            stdin=self._inner,
            stdout=self._inner,
            stderr=self._inner,
            env=environment,
            start_new_session=True,
        )

    def line_mode(self) -> list[Any]:
        return termios.tcgetattr(self._inner)

    def resize(self, width: int, height: int) -> None:
        output = self.display.output
        self.display = Display(width, height, taken=True)
        self.display.output = output
        self._set_size(width, height)
        self.process.send_signal(signal.SIGWINCH)  # the terminal is not its controlling one

    def press(self, keys: str) -> None:
        os.write(self.terminal, keys.encode())

    def until(self, holds: Callable[[str], object], what: str) -> str:
        """Read the screen until it holds; return its text."""
        deadline_s = time.monotonic() + WAIT_S
        while not holds(self.display.text()):
            if time.monotonic() > deadline_s or not self._read(deadline_s):
                raise AssertionError(f"not within {WAIT_S} s: {what}; on the screen:\n{self.display.text()}")
        return self.display.text()

    def shows(self, text: str) -> str:
        """Read the screen until the text is on it; return the whole text."""
        return self.until(lambda screen: text in screen, text)

    def end(self) -> int:
        """Read to the end of the process; return its exit status."""
        deadline_s = time.monotonic() + WAIT_S
        while self.process.poll() is None:
            if time.monotonic() > deadline_s:
                raise AssertionError(f"it did not end within {WAIT_S} s; on the screen:\n{self.display.text()}")
            self._read(time.monotonic() + 0.1)
        while self._read(time.monotonic() + 0.1):
            pass
        return self.process.returncode

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._inner)
        os.close(self.terminal)

    def _set_size(self, width: int, height: int) -> None:
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def _read(self, deadline_s: float) -> bool:
        ready, _, _ = select.select([self.terminal], [], [], max(0.0, deadline_s - time.monotonic()))
        if ready:
            self.display.feed(os.read(self.terminal, 65_536))
        return bool(ready)


@contextmanager
def top(*arguments: str, width: int = 80, height: int = 24, command: tuple[str, ...] = QIKI) -> Iterator[TopRun]:
    """Run `qiki top` in a terminal of this size."""
    run = TopRun(arguments, width, height, command)
    try:
        yield run
    finally:
        run.close()

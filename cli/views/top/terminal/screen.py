"""The terminal as a screen: its mode while the view is open, its size, and the lines on it."""

import asyncio
import io
import os
import select
import sys
import termios
import tty
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final

from rich.console import Console
from rich.text import Text

ENTER: Final = "\x1b[?1049h\x1b[?25l\x1b[?7l"  # alternate screen, no cursor, no wrapping
LEAVE: Final = "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l"
CLEAR: Final = "\x1b[2J"
BEGIN, END = "\x1b[?2026h", "\x1b[?2026l"  # the terminal shows all of an update at once, where it can
IFLAG, LFLAG = 0, 3
DEFAULT_SIZE: Final = (80, 24)
MAX_CELLS: Final = 1000  # in each direction
LEAVE_LIMIT_S: Final = 1.0  # for a terminal that takes nothing


class Screen:
    """The screen of a terminal. Only lines that differ from those shown before are written."""

    def __init__(self, input_fd: int, output_fd: int) -> None:
        self.input_fd, self._output_fd = input_fd, output_fd
        self._encoding = sys.stdout.encoding or "utf-8"
        self._saved: list[Any] | None = None
        self._shown: list[str] = []
        self._console = Console(file=io.StringIO(), force_terminal=True, highlight=False, markup=False)

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Use the terminal for the block, and restore it whatever ends the block."""
        with _open_unblocking(self._output_fd) as self._output_fd:
            try:
                self.enter()
                yield
            finally:
                self.leave()

    def enter(self) -> None:
        """Take each key as it is pressed, without echo, and switch to the alternate screen."""
        if self._saved is None:
            self._saved = termios.tcgetattr(self.input_fd)
        tty.setcbreak(self.input_fd, termios.TCSANOW)
        mode = termios.tcgetattr(self.input_fd)
        mode[IFLAG] &= ~termios.IXON  # Ctrl-S would stop the output, and with it the view
        termios.tcsetattr(self.input_fd, termios.TCSANOW, mode)
        self.forget()
        self._write_now(ENTER)

    def leave(self) -> None:
        """Restore the terminal; harmless where there is nothing to restore, or the terminal is gone."""
        saved, self._saved = self._saved, None
        if saved is None:
            return
        with suppress(termios.error):
            termios.tcflush(self._output_fd, termios.TCOFLUSH)  # nothing that still waits may delay this
        with suppress(OSError):
            self._write_now(LEAVE)
        with suppress(termios.error):
            termios.tcsetattr(self.input_fd, termios.TCSANOW, saved)

    def size(self) -> tuple[int, int]:
        """Return width and height in cells."""
        try:
            width, height = os.get_terminal_size(self._output_fd)
        except OSError:
            return DEFAULT_SIZE
        return (min(width, MAX_CELLS), min(height, MAX_CELLS)) if width > 0 and height > 0 else DEFAULT_SIZE

    def forget(self) -> None:
        """Forget the lines that are shown: the next update writes all of them."""
        self._shown = []

    async def show(self, lines: Sequence[Text], width: int) -> None:
        """Show the lines, as many as the terminal has, each of `width` cells; return once the terminal has taken them.

        Raises OSError where the terminal is gone.
        """
        data = self._update(lines, width).encode(self._encoding, "replace")
        while data:
            try:
                data = data[os.write(self._output_fd, data) :]
            except BlockingIOError:
                await _writable(self._output_fd)

    def _update(self, lines: Sequence[Text], width: int) -> str:
        """Return the text that changes the lines shown into these."""
        rendered = self._render(lines, width)
        parts = []
        if len(rendered) != len(self._shown):
            parts, self._shown = [CLEAR], [""] * len(rendered)
        for row, (line, old) in enumerate(zip(rendered, self._shown, strict=True), start=1):
            if line != old:
                parts.append(f"\x1b[{row};1H{line}")
        self._shown = rendered
        return f"{BEGIN}{''.join(parts)}{END}" if parts else ""

    def _render(self, lines: Sequence[Text], width: int) -> list[str]:
        self._console.size = (width, max(1, len(lines)))
        with self._console.capture() as capture:
            for line in lines:
                self._console.print(line, no_wrap=True, crop=True, overflow="crop", end="\n")
        return capture.get().split("\n")[: len(lines)]

    def _write_now(self, text: str) -> None:
        """Write a few bytes; give up where the terminal takes nothing for LEAVE_LIMIT_S. Raises OSError."""
        select.select([], [self._output_fd], [], LEAVE_LIMIT_S)
        os.write(self._output_fd, text.encode(self._encoding))


@contextmanager
def _open_unblocking(output_fd: int) -> Iterator[int]:
    """Yield a descriptor of the same terminal whose writes do not wait.

    The descriptor is of its own: the mode of the one given is shared with the shell.
    """
    try:
        own = os.open(os.ttyname(output_fd), os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
    except OSError:  # a terminal without a name here, as in some containers
        yield output_fd
        return
    try:
        yield own
    finally:
        os.close(own)


async def _writable(descriptor: int) -> None:
    """Return once the descriptor takes bytes."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_writer(descriptor, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_writer(descriptor)

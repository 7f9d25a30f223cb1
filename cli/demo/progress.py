"""Wait for progress: the limit on a stall, and the display meanwhile."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from cli.errors import StalledError

PLAIN_INTERVAL_S = 5.0


class StallClock:
    """Raises StalledError once a value has not changed for `limit_s` seconds."""

    def __init__(self, limit_s: float, now_s: Callable[[], float] = time.monotonic) -> None:
        self._limit_s = limit_s
        self._now_s = now_s
        self._value: object = None
        self._since_s = now_s()

    def observe(self, value: object, where: str) -> None:
        """Record the value; `where` describes the current position in the error's text."""
        now_s = self._now_s()
        if value != self._value:
            self._value, self._since_s = value, now_s
        elif now_s - self._since_s >= self._limit_s:
            raise StalledError(f"no progress for {self._limit_s:g} s: {where}")


class Meter(Protocol):
    """Shows the progress of the work."""

    def say(self, text: str) -> None:
        """Show a permanent remark."""

    def show(self, what: str, done: int, total: int) -> None:
        """Show the progress; a total of 0 means unknown."""


@contextmanager
def open_meter(console: Console) -> Iterator[Meter]:
    """Yield a progress bar on a terminal, plain lines elsewhere."""
    if not console.is_terminal:
        yield PlainMeter(lambda text: print(text, flush=True), time.monotonic)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        yield BarMeter(progress, progress.add_task("starting", total=None))


class BarMeter:
    """One progress bar, redrawn in place."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def say(self, text: str) -> None:
        """Show a remark above the bar."""
        self._progress.console.print(text, markup=False, highlight=False)

    def show(self, what: str, done: int, total: int) -> None:
        """Redraw the bar."""
        self._progress.update(self._task, description=what, completed=done, total=total or None)


class PlainMeter:
    """A line every few seconds, and whenever the activity changes."""

    def __init__(self, write: Callable[[str], None], now_s: Callable[[], float]) -> None:
        self._write = write
        self._now_s = now_s
        self._shown = ("", 0.0)

    def say(self, text: str) -> None:
        """Write a remark."""
        self._write(text)

    def show(self, what: str, done: int, total: int) -> None:
        """Write a line if one is due."""
        shown, when_s = self._shown
        now_s = self._now_s()
        if shown != what or now_s - when_s >= PLAIN_INTERVAL_S:
            self._shown = (what, now_s)
            self._write(f"{what}: {done}" + (f" of {total}" if total else ""))

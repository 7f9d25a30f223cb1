"""Status display of a mesh: redrawn on a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from cli.local_mesh.probe import ServiceStatus

PLAIN_INTERVAL_S = 5.0
_STYLES = {"SERVING": "green", "NOT_SERVING": "yellow", "UNREACHABLE": "red"}


class StatusDisplay(Protocol):
    """Display of remarks and of the present status."""

    def say(self, text: str) -> None:
        """Show a permanent remark."""

    def show(self, statuses: Sequence[ServiceStatus]) -> None:
        """Show the present status of each service; an empty sequence clears the display."""


@contextmanager
def open_status_display(console: Console) -> Iterator[StatusDisplay]:
    """Yield the display that suits the console."""
    if console.is_terminal:
        # Transient: once the mesh has ended, a table with SERVING would be wrong.
        with Live(console=console, auto_refresh=False, transient=True) as live:
            yield LiveDisplay(live)
    else:
        yield PlainDisplay(_write_line, time.monotonic)


class LiveDisplay:
    """A table at the bottom of the terminal, redrawn in place; remarks scroll by above it."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def say(self, text: str) -> None:
        """Show a remark above the table."""
        self._live.console.print(Text(text))

    def show(self, statuses: Sequence[ServiceStatus]) -> None:
        """Redraw the table."""
        if not statuses:
            self._live.update(Text(), refresh=True)
            return
        table = Table(box=None, pad_edge=False, header_style="dim")
        table.add_column("service", no_wrap=True)
        table.add_column("status", no_wrap=True)
        table.add_column("facts", ratio=3)
        table.add_column("detail", ratio=2)
        for status in statuses:
            table.add_row(
                status.name,
                Text(status.status, style=_STYLES[status.status]),
                Text(facts_text(status.facts)),
                Text(status.detail),
            )
        self._live.update(table, refresh=True)


class PlainDisplay:
    """Lines for a log: a service's status when it changes, and its changed facts every few seconds."""

    def __init__(self, write: Callable[[str], None], now_s: Callable[[], float]) -> None:
        self._write = write
        self._now_s = now_s
        self._told: dict[str, tuple[str, str, float]] = {}

    def say(self, text: str) -> None:
        """Write a remark."""
        self._write(text)

    def show(self, statuses: Sequence[ServiceStatus]) -> None:
        """Write a line for each service with a changed status, or with other facts changed since some seconds ago."""
        now_s = self._now_s()
        for status in statuses:
            line = status_line(status)
            told_status, told_line, when_s = self._told.get(status.name, ("", "", 0.0))
            recent = now_s - when_s < PLAIN_INTERVAL_S
            if told_line == line or (told_status == status.status and recent):
                continue
            self._told[status.name] = (status.status, line, now_s)
            self._write(line)


def status_line(status: ServiceStatus) -> str:
    """Return a service's status as one line."""
    rest = "; ".join(part for part in (facts_text(status.facts), status.detail) if part)
    return f"{status.name}: {status.status}" + (f" ({rest})" if rest else "")


def facts_text(facts: Mapping[str, Any]) -> str:
    """Return facts as `name value, name value`; for a channel: sequence, number waiting if any, and the reason.

    Facts that are empty or false are omitted, and so is the run's id, which is long and the same everywhere.
    """
    shown = {name: value for name, value in facts.items() if name != "run_id" and _has_value(value)}
    return ", ".join(text for name, value in shown.items() if (text := _fact_text(name, value)))


def _has_value(value: Any) -> bool:
    return value is not None and value is not False and value not in ("", {})


def _fact_text(name: str, value: Any) -> str:
    match value:
        case True:
            return name
        case float():
            return f"{name} {value:g}"
        case Mapping() if name == "lag":
            return _lag_text(value)
        case {"sequence": sequence, **rest}:
            return f"{name} {sequence}" + _channel_remark(rest)
        case Mapping():
            return facts_text(value)
    return f"{name} {value}"


def _lag_text(lags: Mapping[Any, Any]) -> str:
    """Return the unprocessed messages of the durables that have any."""
    behind = [f"{durable} {count}" for durable, count in lags.items() if count]
    return f"lag {', '.join(behind)}" if behind else "no lag"


def _channel_remark(rest: Mapping[Any, Any]) -> str:
    remarks = [f"{rest['waiting']} waiting"] if rest.get("waiting") else []
    if rest.get("storing") is False:
        remarks.append(f"not stored: {rest.get('store_error') or 'unknown'}")
    return f" ({'; '.join(remarks)})" if remarks else ""


def _write_line(text: str) -> None:
    print(text, flush=True)

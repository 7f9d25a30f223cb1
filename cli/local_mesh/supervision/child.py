"""Specification, states and events of a supervised child process."""

import json
import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

# Returns once the child is ready. Calls its argument with the reason for each delay; must not raise.
# It may wait for ever: its caller bounds it.
ReadyCheck = Callable[[Callable[[str], None]], Awaitable[None]]

MAX_LOG_TAIL_BYTES = 16_384
MAX_LOG_TAIL_LINES = 15

# Exit status of a service with an unusable setting, port or file: a restart would not help.
EXIT_CONFIG = 2


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """One child process: its command, its readiness check, and its time limits.

    `env` is added to this process' own environment. Its standard output and error are appended to `log_path`.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    log_path: Path
    ready: ReadyCheck
    ready_timeout_s: float = 30.0
    stop_timeout_s: float = 10.0


class ChildState(StrEnum):
    """State of a child."""

    STARTING = "STARTING"
    READY = "READY"
    WAITING = "WAITING"  # dead, to be restarted after a delay
    STOPPING = "STOPPING"
    STOPPED = "STOPPED"
    FAILED = "FAILED"  # dead, not to be restarted


@dataclass(frozen=True, slots=True)
class ChildEvent:
    """An event of a child: its new state, a sentence, and the end of its log where that helps.

    `died` is the end of a process that was not asked to end, in words; else empty.
    """

    name: str
    state: ChildState
    text: str
    log_tail: tuple[str, ...] = ()
    died: str = ""

    def describe(self) -> str:
        """Return the sentence and, indented below it, the end of the log."""
        return "\n".join([f"{self.name}: {self.text}", *(f"    {line}" for line in self.log_tail)])


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """Delay before a dead child is restarted. The number of restarts is unlimited."""

    first_delay_s: float = 0.5
    factor: float = 2.0
    max_delay_s: float = 15.0
    healthy_s: float = 30.0

    def failures_after(self, failures: int, ready_s: float) -> int:
        """Return the number of failures in a row after a child has died that was ready for `ready_s` seconds."""
        return 1 if ready_s >= self.healthy_s else failures + 1

    def delay_s(self, failures: int) -> float:
        """Return the seconds to wait after the n-th failure in a row, n >= 1: first * factor^(n-1), bounded."""
        # Bounding the exponent too prevents an overflow after many failures.
        return min(self.max_delay_s, self.first_delay_s * self.factor ** min(failures - 1, 32))


def exit_text(returncode: int) -> str:
    """Return the end of a process in words; a negative code is the number of the signal that ended it."""
    if returncode >= 0:
        return f"exited with status {returncode}"
    try:
        return f"was ended by {signal.Signals(-returncode).name}"
    except ValueError:
        return f"was ended by signal {-returncode}"


def log_tail(path: Path, from_byte: int = 0) -> tuple[str, ...]:
    """Return the last lines of a log written at or after `from_byte`; empty if there is no log."""
    try:
        with path.open("rb") as log:
            size = log.seek(0, 2)
            log.seek(max(from_byte, size - MAX_LOG_TAIL_BYTES))
            text = log.read(MAX_LOG_TAIL_BYTES).decode("utf-8", errors="replace")
    except OSError:
        return ()
    lines = [line for line in text.splitlines() if line.strip()][-MAX_LOG_TAIL_LINES:]
    return tuple(map(_readable, lines))


def _readable(line: str) -> str:
    """Return a JSON log line as `level: event (the last line of its exception)`, any other line as it is."""
    try:
        entry = json.loads(line)
    except ValueError:
        return line
    if not (isinstance(entry, dict) and isinstance(entry.get("event"), str)):
        return line
    exception = str(entry.get("exception", "")).strip().rpartition("\n")[2]
    return f"{entry.get('level', 'log')}: {entry['event']}" + (f" ({exception})" if exception else "")

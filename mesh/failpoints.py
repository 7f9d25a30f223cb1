"""Failpoints: named points at every durable step, at which a test can stop or kill the process.

A process killed at a random moment rarely dies between two adjacent lines, where recovery bugs are. So the points are
compiled into the released code, as etcd does with gofail: the code that is tested is the code that runs. Without the
variable `QIKI_FAILPOINT_DIR` a point costs one call and one comparison with None: a fraction of a microsecond, whereas
each of these steps takes a write or a round trip. Only the environment with which the process was started arms a point;
no request, setting or file can.

    QIKI_FAILPOINT_DIR   a directory for this process alone
    QIKI_FAILPOINT       `<name>@<n>` or `<name>@<n>=stop|kill`: act when the point is passed for the n-th time

Counting starts when the file `count` is in the directory. At the n-th pass the process writes the file `reached`,
flushes it to the disk, and stops itself (SIGSTOP, so that others can be killed with it) or kills itself (SIGKILL). A
process that finds `reached` at its start is not armed: a failpoint acts once. Without `QIKI_FAILPOINT` each passed
point leaves a file `passed-<name>`.
"""

import os
import re
import signal
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import Final, Protocol

from mesh.serving.errors import StartError

POINT_VARIABLE: Final = "QIKI_FAILPOINT"
DIRECTORY_VARIABLE: Final = "QIKI_FAILPOINT_DIR"
COUNT_FILE: Final = "count"
REACHED_FILE: Final = "reached"
PASSED_PREFIX: Final = "passed-"

# Every failpoint. Where the comment is "is next", the step has not started.
POINTS: Final[Mapping[str, str]] = {
    "file.written": "any whole-or-absent file: flushed beside the old one; the rename is next",
    "reservation.write": "simulator: a reservation of ticks is next; all ticks of the one before are visible",
    "reservation.written": "simulator: a reservation is on the disk, none of its ticks is computed",
    "tick.visible": "simulator: a tick's events are in the feeds",
    "journal.write": "simulator: the write of a command's record is next",
    "journal.appended": "simulator: a command's record is on the disk, the world does not know of it",
    "command.done": "simulator: the command's caller is about to get the answer",
    "craft.write": "simulator: a checkpoint of the craft is taken, its write is next",
    "craft.written": "simulator: a checkpoint of the craft is on the disk, older ones are not removed",
    "checkpoint.write": "tracker: a checkpoint is taken, its write is next",
    "checkpoint.kept": "tracker: a checkpoint is on the disk, not known to be safe",
    "checkpoint.record": "tracker: all have confirmed a checkpoint; the record that it is safe is next",
    "checkpoint.safe": "tracker: the record that a checkpoint is safe is on the disk, nothing is confirmed",
    "confirmation.send": "radar, tracker, bridge: a confirmation to the source is next",
    "confirmation.answered": "radar, tracker, bridge: the source has taken a confirmation",
    "message.send": "bridge: a single message is next",
    "message.stored": "bridge: the broker has stored a single message, its answer is not looked at",
    "batch.send": "bridge: the first message of an atomic batch is next",
    "batch.partly_sent": "bridge: all messages of a batch but the one that commits it are handed to the connection",
    "batch.stored": "bridge: the broker has stored a batch, its answer is not looked at",
    "write.acknowledged": "bridge: a message or batch is acknowledged, it is still in the inbox",
    "token.advanced": "bridge: the stored token has moved beyond what was written, nothing is confirmed",
    "answer.send": "bridge: the simulator has carried out a command, the answer's message is next",
    "answer.stored": "bridge: a command's answer is on the bus, the command is not acknowledged",
    "command.acknowledged": "bridge: a command is acknowledged",
    "log.write": "registrar: the write of a group is next; the receipts of the one before are given",
    "log.written": "registrar: a group is written, not flushed",
    "log.synced": "registrar: a group is on the disk, the index does not know it",
    "receipt.given": "registrar: the receipts of a group are handed to the callers' answers",
}

_FORM: Final = re.compile(r"([a-z_.]+)@([1-9][0-9]{0,8})(?:=(stop|kill))?")


class _Armed(Protocol):
    def reach(self, name: str) -> None:
        """Handle one pass of a point."""


# Module state, against our rule: a point must be reachable from any depth without a constructor argument at every
# level, and must cost nothing where it is off.
_armed: _Armed | None = None


def reach(name: str) -> None:
    """Pass the point of this name; a no-op in a process that was not started with a failpoint."""
    if _armed is not None:
        _armed.reach(name)


def arm(environment: Mapping[str, str]) -> None:
    """Arm the point that the environment names.

    Raises:
        StartError: there is no such point, or the environment variable has another form: nothing is armed by mistake.
    """
    global _armed  # noqa: PLW0603
    _armed = None
    wanted, directory = environment.get(POINT_VARIABLE, ""), environment.get(DIRECTORY_VARIABLE, "")
    if not directory:
        if wanted:
            raise StartError(f"{POINT_VARIABLE} is set without {DIRECTORY_VARIABLE}: name a directory to report in")
        return
    path = Path(directory)
    if not path.is_dir():
        raise StartError(f"{DIRECTORY_VARIABLE}: no such directory: {path}")
    if not wanted:
        _armed = _Recorder(path)
        return
    parsed = _FORM.fullmatch(wanted)
    if parsed is None:
        raise StartError(f"{POINT_VARIABLE} is {wanted!r}: expected <name>@<n>, <name>@<n>=stop or <name>@<n>=kill")
    name, number, action = parsed.groups()
    if name not in POINTS:
        raise StartError(f"{POINT_VARIABLE}: there is no point {name!r}; known: {', '.join(POINTS)}")
    if not (path / REACHED_FILE).exists():
        _armed = _Trap(path, name, int(number), signal.SIGKILL if action == "kill" else signal.SIGSTOP)


class _Trap:
    """One armed point. Points are passed in threads too, so a lock guards the count."""

    def __init__(self, directory: Path, name: str, number: int, action: signal.Signals) -> None:
        self._directory = directory
        self._name = name
        self._left = number
        self._action = action
        self._counting = Lock()

    def reach(self, name: str) -> None:
        if name != self._name or self._left == 0 or not (self._directory / COUNT_FILE).exists():
            return
        with self._counting:
            self._left -= 1
            if self._left:
                return
            _write(self._directory / REACHED_FILE, f"{name} {os.getpid()}\n")
            os.kill(os.getpid(), self._action)


class _Recorder:
    """Recorder that leaves a file for each point that is passed."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._passed: set[str] = set()

    def reach(self, name: str) -> None:
        if name not in self._passed:
            self._passed.add(name)
            _write(self._directory / f"{PASSED_PREFIX}{name}", "")


def _write(path: Path, text: str) -> None:
    """Write a file durably. Not by `write_atomic`, which passes a point itself."""
    with path.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())

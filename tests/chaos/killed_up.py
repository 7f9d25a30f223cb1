"""`qiki up` in a separate process, ended in every phase and every way, and its processes left afterwards.

Every process of a mesh inherits an environment variable with a unique value, and so can be found (on Linux) even if
its parent is gone.
"""

import asyncio
import json
import os
import pty
import random
import signal
import sys
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any

MARK = "QIKI_TEST_MARK"
LOOK_INTERVAL_S = 0.05
START_LIMIT_S = 120.0
LONGEST_START_S = 6.0
KEPT_OUTPUT_BYTES = 65_536
LONGEST_DRAIN_S = 1.0

# Becomes the program; SIGHUP ends it again where the tests were started with nohup, which `qiki up` would respect.
PLAIN = """
import os, signal, sys
signal.signal(signal.SIGHUP, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])
"""
# The same, and makes the terminal on standard input the controlling one of a new session, as a login does.
IN_TERMINAL = f"""
import fcntl, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
{PLAIN}
"""


class Phase(StrEnum):
    """The phase of `qiki up` when it is ended."""

    START_UP = "start-up"
    SERVING = "serving"
    NATS_STOPPED = "NATS and the bridge stopped (SIGSTOP)"
    DRAINING = "draining"


class End(StrEnum):
    """The way in which `qiki up` is ended."""

    KILL = "SIGKILL"
    HANGUP = "SIGHUP"
    TERMINAL_CLOSED = "its terminal is closed"


class UpProcess:
    """A `qiki up` with its output in a file, or on a terminal of its own."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        state_dir: Path,
        mark: str,
        terminal: int | None,
        shown: bytearray,
    ) -> None:
        self.process = process
        self.state_dir = state_dir
        self._mark = mark
        self._terminal = terminal
        self._shown = shown

    def left(self) -> set[int]:
        """Return the processes of the mesh that have not ended, `qiki up` among them."""
        wanted = f"{MARK}={self._mark}".encode()
        found = set()
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    if wanted in (entry / "environ").read_bytes().split(b"\0"):  # a zombie has no environment to read
                        found.add(int(entry.name))
                except OSError:
                    continue
        return found

    def children(self) -> list[int]:
        """Return the running NATS and services, without their guards."""
        pid = self.process.pid
        listed = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
        return [int(child) for child in listed]

    def pids(self) -> dict[str, int]:
        """Return the process ids by name, once all are SERVING."""
        where: Mapping[str, Mapping[str, Any]] = json.loads((self.state_dir / "endpoints.json").read_text())
        return {name: int(entry["pid"]) for name, entry in where.items() if "pid" in entry}

    async def until_serving(self) -> None:
        """Return once all are SERVING, according to the file of endpoints."""
        async with asyncio.timeout(START_LIMIT_S):
            while not (self.state_dir / "endpoints.json").exists():
                if self.process.returncode is not None:
                    raise AssertionError(f"qiki up ended with status {self.process.returncode}: {self.output()}")
                await asyncio.sleep(LOOK_INTERVAL_S)

    async def until_gone(self, limit_s: float) -> float:
        """Return the seconds until nothing is left. Raises AssertionError, naming what is left, after `limit_s`."""
        began_s = time.monotonic()
        while left := self.left():
            if time.monotonic() - began_s > limit_s:
                raise AssertionError(f"left after {limit_s:g} s: " + "; ".join(sorted(map(_command_line, left))))
            await asyncio.sleep(LOOK_INTERVAL_S)
        return time.monotonic() - began_s

    def end(self, how: End) -> None:
        """End `qiki up`; closing the terminal causes a SIGHUP from the kernel and write errors."""
        if how is End.TERMINAL_CLOSED:
            self._close_terminal()
        else:
            self.process.send_signal(signal.SIGKILL if how is End.KILL else signal.SIGHUP)

    def output(self) -> str:
        """Return what was written to the file, or the end of what was written to the terminal."""
        return (self.state_dir.parent / "up.log").read_text(errors="replace") + self._shown.decode(errors="replace")

    def clean_up(self) -> None:
        """Kill whatever is left, so that a failure does not spread."""
        for pid in self.left():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self._close_terminal()

    def _close_terminal(self) -> None:
        if self._terminal is not None:
            asyncio.get_running_loop().remove_reader(self._terminal)
            os.close(self._terminal)
            self._terminal = None


@asynccontextmanager
async def marked_up(directory: Path, *options: str, in_terminal: bool = False) -> AsyncIterator[UpProcess]:
    """Start `qiki up` in the directory; afterwards nothing of it is left, whatever happened."""
    await asyncio.to_thread(directory.mkdir, parents=True)
    mark = str(uuid.uuid4())
    python = (sys.executable, "-P", "-m", "cli", "up", "--free-ports", "--state-dir", str(directory / "state"))
    terminal, inner = pty.openpty() if in_terminal else (None, None)
    with (directory / "up.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", IN_TERMINAL if in_terminal else PLAIN),
            *(*python, *options),
            stdin=inner if in_terminal else asyncio.subprocess.DEVNULL,
            stdout=inner or log,
            stderr=inner or log,
            env={**os.environ, MARK: mark, "TERM": "xterm"},
            start_new_session=True,
        )
    shown = bytearray()
    if terminal is not None and inner is not None:
        os.close(inner)
        _drain(terminal, shown)
    up = UpProcess(process, directory / "state", mark, terminal, shown)
    try:
        yield up
    finally:
        up.clean_up()
        await process.wait()


async def end_in(phase: Phase, how: End, directory: Path, draw: random.Random, limit_s: float) -> float:
    """Start a mesh, end it in the phase, and return the seconds until nothing was left of it."""
    async with marked_up(directory, in_terminal=how is End.TERMINAL_CLOSED) as up:
        if phase is Phase.START_UP:
            await asyncio.sleep(draw.uniform(0.3, LONGEST_START_S))
        else:
            await up.until_serving()
        stopped = [up.pids()[name] for name in ("nats", "bridge")] if phase is Phase.NATS_STOPPED else []
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        if phase is Phase.DRAINING:
            up.process.terminate()
            await asyncio.sleep(draw.uniform(0.0, LONGEST_DRAIN_S))
        up.end(how)
        if stopped and draw.random() < 0.5:
            await asyncio.sleep(draw.uniform(0.0, 1.0))
            for pid in stopped:
                _continue(pid)
        return await up.until_gone(limit_s)


async def kill_children_of_a_start(directory: Path, draw: random.Random, kills: int) -> None:
    """Start a mesh, kill this many of its children while it starts, and return once all are SERVING."""
    async with marked_up(directory) as up:
        killed = 0
        while killed < kills and not (up.state_dir / "endpoints.json").exists():
            await asyncio.sleep(draw.uniform(0.05, 0.5))
            if up.process.returncode is not None:
                raise AssertionError(f"qiki up ended after {killed} kills: {up.output()}")
            if children := up.children():
                os.kill(draw.choice(children), signal.SIGKILL)
                killed += 1
        await up.until_serving()
        if killed < kills:
            raise AssertionError(f"all were SERVING after {killed} of {kills} kills: the draw was too slow")


def _continue(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGCONT)
    except ProcessLookupError:
        return


def _drain(terminal: int, shown: bytearray) -> None:
    """Read the terminal, so that no writer blocks, and keep the end of the output."""
    loop = asyncio.get_running_loop()

    def read() -> None:
        try:
            shown.extend(os.read(terminal, KEPT_OUTPUT_BYTES))
        except OSError:  # every process has closed its end
            loop.remove_reader(terminal)
        del shown[:-KEPT_OUTPUT_BYTES]

    loop.add_reader(terminal, read)


def _command_line(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return f"{pid} (gone meanwhile)"
    return f"{pid} ({state}) {' '.join(words)[:160]}"

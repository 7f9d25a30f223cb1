"""Child processes at the level of the operating system: starting, signalling, and the lifeline.

No child may outlive the supervisor, not even one that is killed. Every child's standard input is the reading end of one
pipe, the lifeline, whose writing end only the supervisor holds: when the supervisor dies, in whatever way, that pipe is
at its end, on which `cli.local_mesh.supervision.parent_death`, through which every child is started, ends the child.
"""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from pathlib import Path
from types import TracebackType
from typing import Final

from cli.local_mesh.supervision.child import ChildSpec

TETHER: Final = str(Path(__file__).with_name("parent_death.py"))


class Lifeline:
    """A pipe on which nothing is ever written: its end of file tells that the supervisor is gone."""

    def __enter__(self) -> "Lifeline":
        self.read_fd, self._write_fd = os.pipe()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        os.close(self._write_fd)
        os.close(self.read_fd)


async def spawn(spec: ChildSpec, lifeline: Lifeline) -> Process:
    """Start the child, tied to the lifeline, in a session of its own. Raises OSError where no process can be made.

    In its own session the terminal's Ctrl-C reaches the supervisor alone, which then ends the children in order.
    """
    with spec.log_path.open("ab") as log:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", TETHER, *spec.argv),
            env={**os.environ, **spec.env},
            stdin=lifeline.read_fd,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def terminate(process: Process) -> None:
    """Ask the process to end (SIGTERM); harmless where it has ended."""
    if process.returncode is None:
        try:
            process.terminate()
        except ProcessLookupError:
            return


def kill_group(process: Process) -> None:
    """End the process, its guard and whatever it has started at once (SIGKILL); harmless where all have ended."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):  # macOS answers EPERM for a group of zombies
        return

"""Child processes at the level of the operating system: starting, signalling, and the parent pipe.

No child may outlive the supervisor, not even a killed one. Every child's standard input is the reading end of one
pipe, of which only the supervisor has the writing end. When the supervisor dies, in whatever way, the pipe is at end
of file, and `cli.local_mesh.supervision.parent_death`, which starts every child, ends the child.
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

PARENT_DEATH: Final = str(Path(__file__).with_name("parent_death.py"))


class ParentPipe:
    """A pipe on which nothing is ever written: its end of file means that the supervisor is dead."""

    def __enter__(self) -> "ParentPipe":
        self.read_fd, self._write_fd = os.pipe()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        os.close(self._write_fd)
        os.close(self.read_fd)


async def spawn(spec: ChildSpec, parent_pipe: ParentPipe) -> Process:
    """Start the child with the parent pipe, in its own session. Raises OSError where no process can be created.

    In its own session the terminal's Ctrl-C reaches only the supervisor, which then ends the children in order.
    """
    with spec.log_path.open("ab") as log:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", PARENT_DEATH, *spec.argv),
            env={**os.environ, **spec.env},
            stdin=parent_pipe.read_fd,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def terminate(process: Process) -> None:
    """Send SIGTERM to the process; harmless if it has ended."""
    if process.returncode is None:
        try:
            process.terminate()
        except ProcessLookupError:
            return


def kill_group(process: Process) -> None:
    """Kill the process, its guard and its children at once (SIGKILL); harmless if all have ended."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):  # macOS answers EPERM for a group of zombies
        return

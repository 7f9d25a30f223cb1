"""Child processes at the level of the operating system: starting, signalling, and the lifeline.

No child may outlive the supervisor, not even one that is killed. Every child's standard input is the reading end of one
pipe, the lifeline, whose writing end only the supervisor holds: when the supervisor dies, in whatever way, the
children read end-of-file, and services told `QIKI_EXIT_WITH_PARENT=1` exit on that. A program that does not
look at its standard input (nats-server) is started through `cli.tether`.
"""

import asyncio
import os
import signal
from asyncio.subprocess import Process
from types import TracebackType

from cli.child import ChildSpec


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
    """Start the child in a session of its own. Raises OSError where the program cannot be run.

    In its own session the terminal's Ctrl-C reaches the supervisor alone, which then ends the children in order.
    """
    with spec.log_path.open("ab") as log:
        return await asyncio.create_subprocess_exec(
            *spec.argv,
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
    """End the process, and whatever it has started, at once (SIGKILL); harmless where all have ended."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):  # macOS answers EPERM for a group of zombies
        return

"""Run a program that ends when the process that started it ends: `python -m cli.tether PARENT_PID PROGRAM [ARG...]`.

Linux only: the kernel sends SIGTERM to the program when its parent dies (`PR_SET_PDEATHSIG` of prctl(2), which
execve(2) preserves). Elsewhere the program runs untethered, and outlives a supervisor that is killed by SIGKILL.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(argv: list[str]) -> None:
    """Tie this process to its parent, then become the program."""
    parent_pid, program = int(argv[0]), argv[1:]
    if sys.platform == "linux":
        if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
        # The parent may have died before the line above: then nobody is left to send the signal.
        if os.getppid() != parent_pid:
            sys.exit(f"the parent process {parent_pid} is gone")
    os.execv(program[0], program)


if __name__ == "__main__":
    main(sys.argv[1:])

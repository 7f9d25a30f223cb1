"""A program that ends within seconds of the supervisor's death: `python -I -S parent_death.py PROGRAM [ARG...]`.

Standard input is the parent pipe, on which nothing is written: its end of file means that the supervisor is dead.
In any state - stopped, hung, ignoring SIGTERM, not yet started - the program ends:

1. This process forks a guard, and only then becomes the program, under the same process id: the program never runs
   without its guard.
2. At the end of file the guard sends SIGTERM to the program, and `GRACE_S` later SIGKILL, which ends a stopped process
   too, to the whole process group: program, the program's children, and the guard itself. A program that starts in the
   moment of the supervisor's death meets the end of file at once.

The guard belongs to the program's process group. So killing the group ends the guard too, and while the guard lives no
other process can get the group's id. All of this is POSIX, and works alike on Linux and macOS; Linux's
`PR_SET_PDEATHSIG` would kill at once, and can be lost between fork and prctl.

The program must lead its own process group. This file is run by its path and imports only the standard library: it
adds some 15 ms to a child's start.
"""

import os
import select
import signal
import sys
import time

# Time for an orderly end. Together with the slowest wake-up this stays well below 5 s.
GRACE_S = 3.0
LOOK_INTERVAL_S = 0.05
PARENT_PIPE = 0
EXIT_CANNOT_RUN = 2  # the services' exit status for an unusable configuration


def main(program: list[str]) -> None:
    """Start the guard, then become the program. Exits with status 2 where the program cannot be run."""
    program_pid = os.getpid()
    if os.fork() == 0:
        guard(program_pid)
    try:
        os.execv(program[0], program)
    except OSError as error:
        print(f"{program[0]} cannot be run: {error.strerror}", file=sys.stderr)
        sys.exit(EXIT_CANNOT_RUN)


def guard(program_pid: int) -> None:
    """Wait for the supervisor's death, then end the program and this process with it."""
    try:
        # A signal to the whole group is meant for the program. This process must not keep the log open.
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        os.close(1)
        os.close(2)
        _wait_for_end_of_file(PARENT_PIPE)
        deadline_s = time.monotonic() + GRACE_S
        if os.getppid() == program_pid:
            os.kill(program_pid, signal.SIGTERM)
        while os.getppid() == program_pid and time.monotonic() < deadline_s:
            time.sleep(LOOK_INTERVAL_S)  # Linux and macOS have no common event for a parent's end
    finally:
        os.killpg(program_pid, signal.SIGKILL)


def _wait_for_end_of_file(descriptor: int) -> None:
    while True:
        select.select([descriptor], [], [])  # a reader that shares the pipe may have made it non-blocking
        try:
            if not os.read(descriptor, 4096):
                return
        except BlockingIOError:
            continue


if __name__ == "__main__":
    main(sys.argv[1:])

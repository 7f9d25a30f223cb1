"""A program that ends within seconds of the supervisor's death: `python -I -S parent_death.py PROGRAM [ARG...]`.

Standard input is the lifeline, a pipe on which nothing is written: its end of file means that the supervisor is gone.
Whatever state the program is in by then - stopped, hung, deaf to SIGTERM, or not even started - it ends:

1. This process forks a guard, and only then becomes the program, under the same process id: there is no moment in
   which the program runs without its guard.
2. At the end of file the guard sends SIGTERM to the program, and `GRACE_S` later SIGKILL, which ends a stopped process
   too, to the whole process group: program, the program's own children, and the guard itself. A program that is started
   in the very moment of the supervisor's death meets the end of file at once.

The guard belongs to the program's process group. So whoever kills the group ends the guard with it, and as long as the
guard lives no other process can be given the group's id. All of this is POSIX, and works alike on Linux and macOS;
`PR_SET_PDEATHSIG` of Linux would kill at once, and can be lost in the moment between fork and prctl.

The program must lead its own process group. This file is run by its path and imports the standard library alone: so
it costs a child's start some 15 ms.
"""

import os
import select
import signal
import sys
import time

# Time to end in good order. Together with the slowest wake-up this stays well below 5 s.
GRACE_S = 3.0
LOOK_INTERVAL_S = 0.05
LIFELINE = 0
EXIT_CANNOT_RUN = 2  # as the services say that what they were given cannot be used


def main(program: list[str]) -> None:
    """Start the guard, then become the program. Ends with status 2 where the program cannot be run."""
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
        # A signal to the whole group is meant for the program. The log must not stay open on this process's account.
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        os.close(1)
        os.close(2)
        _wait_for_end_of_file(LIFELINE)
        deadline_s = time.monotonic() + GRACE_S
        if os.getppid() == program_pid:
            os.kill(program_pid, signal.SIGTERM)
        while os.getppid() == program_pid and time.monotonic() < deadline_s:
            time.sleep(LOOK_INTERVAL_S)  # no event common to Linux and macOS tells a child of its parent's end
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

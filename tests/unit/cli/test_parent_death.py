"""The death of a supervisor ends all its children, whatever they are doing at that moment."""

import asyncio
import os
import signal
import sys
import textwrap
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from cli.local_mesh.supervision import parent_death
from cli.local_mesh.supervision.process import PARENT_DEATH

# The promise is 5 s; the tests wait for the end itself, and only a process that never ends takes this long.
WAIT_S = 60.0

SUPERVISOR = """
    import asyncio, os, pathlib, sys
    from cli.local_mesh.supervision.child import ChildSpec
    from cli.local_mesh.supervision.supervisor import Supervisor

    async def main(folder, program, count):
        def spec(number):
            flag = folder / f"ready-{number}"
            async def ready(note):
                while not flag.exists():
                    await asyncio.sleep(0.01)
            return ChildSpec(f"child-{number}", (sys.executable, "-S", "-c", program, str(flag)), {},
                             folder / f"{number}.log", ready)
        async with Supervisor(lambda event: None) as supervisor:
            await supervisor.start(*map(spec, range(count)))
            print(*supervisor.pids().values(), flush=True)
            await asyncio.Event().wait()

    asyncio.run(main(pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
"""
DEAF = """
import pathlib, signal, sys, time
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
pathlib.Path(sys.argv[1]).touch()
while True:
    time.sleep(60)
"""
ORDERLY = """
import pathlib, signal, sys
def end(*_):
    pathlib.Path(sys.argv[1] + ".ended").touch()
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
pathlib.Path(sys.argv[1]).touch()
signal.pause()
"""


def group_members(group: int) -> set[int]:
    """The processes of a group that have not ended."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[2]) == group and fields[0] not in "ZX":
                found.add(int(entry.name))
    return found


async def gone(groups: Sequence[int]) -> None:
    async with asyncio.timeout(WAIT_S):
        while any(map(group_members, groups)):  # noqa: ASYNC110 (nothing announces the end of a group)
            await asyncio.sleep(0.05)


@asynccontextmanager
async def supervising(
    folder: Path, program: str, count: int = 1
) -> AsyncIterator[tuple[asyncio.subprocess.Process, list[int]]]:
    supervisor = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", textwrap.dedent(SUPERVISOR), str(folder), program, str(count)),
        stdout=asyncio.subprocess.PIPE,
    )
    assert supervisor.stdout is not None
    try:
        async with asyncio.timeout(WAIT_S):
            children = [int(pid) for pid in (await supervisor.stdout.readline()).split()]
        assert len(children) == count
        yield supervisor, children
    finally:
        if supervisor.returncode is None:
            supervisor.kill()
            await supervisor.wait()


pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="who belongs to a process group is read from /proc")


@pytest.mark.asyncio
async def test_a_child_that_can_end_in_order_does_so_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    async with supervising(tmp_path, ORDERLY) as (supervisor, children):
        supervisor.kill()
        await gone(children)
    assert (tmp_path / "ready-0.ended").exists()


@pytest.mark.parametrize("stopped", [False, True], ids=["deaf to SIGTERM", "stopped"])
@pytest.mark.asyncio
async def test_a_child_that_cannot_end_by_itself_is_killed(tmp_path: Path, stopped: bool) -> None:
    async with supervising(tmp_path, DEAF if not stopped else ORDERLY) as (supervisor, children):
        if stopped:
            os.kill(children[0], signal.SIGSTOP)
        supervisor.kill()
        await gone(children)


@pytest.mark.asyncio
async def test_the_childs_own_children_end_with_it(tmp_path: Path) -> None:
    parent = f"""
import subprocess, sys
subprocess.Popen([sys.executable, "-S", "-c", {DEAF!r}, sys.argv[1] + ".grandchild"])
"""
    async with supervising(tmp_path, parent + DEAF) as (supervisor, children):
        assert len(group_members(children[0])) >= 3  # the child, its guard and its own child
        supervisor.kill()
        await gone(children)


@pytest.mark.asyncio
async def test_a_child_that_is_started_in_the_moment_of_the_supervisors_death_ends(tmp_path: Path) -> None:
    read_fd, write_fd = os.pipe()
    os.close(write_fd)  # the supervisor is gone before the child has run its first line
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", PARENT_DEATH, sys.executable, "-S", "-c", DEAF, str(tmp_path / "ready")),
        stdin=read_fd,
        start_new_session=True,
    )
    os.close(read_fd)
    async with asyncio.timeout(WAIT_S):
        assert await child.wait() in (-signal.SIGTERM, -signal.SIGKILL)
    await gone([child.pid])


@pytest.mark.asyncio
async def test_the_program_keeps_process_id_and_exit_status_and_its_guard_holds_no_log_open(tmp_path: Path) -> None:
    read_fd, write_fd = os.pipe()
    child = await asyncio.create_subprocess_exec(
        *(
            sys.executable,
            "-I",
            "-S",
            PARENT_DEATH,
            sys.executable,
            "-S",
            "-c",
            "import os; print(os.getpid(), flush=True); os._exit(7)",
        ),
        stdin=read_fd,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    os.close(read_fd)
    assert child.stdout is not None
    async with asyncio.timeout(WAIT_S):
        assert int(await child.stdout.read()) == child.pid  # reads to the end: nobody else has the other end open
        assert await child.wait() == 7
    os.close(write_fd)
    await gone([child.pid])


def test_the_grace_leaves_time_for_the_rest_of_the_five_seconds() -> None:
    assert parent_death.GRACE_S <= 3.5

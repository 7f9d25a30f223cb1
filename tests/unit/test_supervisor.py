"""The supervisor, held to its word with real child processes."""

import asyncio
import os
import signal
import sys
import textwrap
from collections.abc import AsyncIterator, Callable
from concurrent import futures
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from cli.child import ChildEvent, ChildSpec, ChildState, RestartPolicy, exit_text, log_tail
from cli.errors import ChildFailedError, ChildNotReadyError
from cli.interrupts import Interrupts
from cli.layout import find_nats_server
from cli.ports import choose_ports
from cli.probe import until_http_ok, until_serving
from cli.supervisor import Supervisor

# A child as the mesh's services are: it ends on SIGTERM and when its standard input closes, and says it is ready
# by creating a file.
OBEDIENT = """
import pathlib, signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
pathlib.Path(sys.argv[1]).touch()
sys.stdin.read()
"""
STUBBORN = """
import pathlib, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
pathlib.Path(sys.argv[1]).touch()
print("not today", flush=True)
while True:
    time.sleep(60)
"""
QUICK = RestartPolicy(first_delay_s=0.01, max_delay_s=0.02, max_in_a_row=3)


class Events:
    """What a supervisor reported, and a way to wait for it."""

    def __init__(self) -> None:
        self.seen: list[ChildEvent] = []
        self._new = asyncio.Event()

    def __call__(self, event: ChildEvent) -> None:
        self.seen.append(event)
        self._new.set()

    async def until(self, wanted: Callable[[ChildEvent], bool], count: int = 1) -> ChildEvent:
        async with asyncio.timeout(20):
            while sum(map(wanted, self.seen)) < count:
                self._new.clear()
                await self._new.wait()
        return [event for event in self.seen if wanted(event)][-1]


def is_in(state: ChildState, name: str | None = None) -> Callable[[ChildEvent], bool]:
    return lambda event: event.state is state and name in (None, event.name)


async def at_once(_note: Callable[[str], None]) -> None:
    return


def spec(
    tmp_path: Path, name: str, program: str, *, stop_timeout_s: float = 10.0, timeout_s: float = 10.0
) -> ChildSpec:
    """A child running a Python program, ready when the file named by its argument exists."""
    flag = tmp_path / f"{name}.ready"

    async def ready(note: Callable[[str], None]) -> None:
        while not flag.exists():
            note("its file is not there")
            await asyncio.sleep(0.01)
        flag.unlink()

    return ChildSpec(
        name=name,
        argv=(sys.executable, "-S", "-c", textwrap.dedent(program), str(flag)),
        env={},
        log_path=tmp_path / f"{name}.log",
        ready=ready,
        ready_timeout_s=timeout_s,
        stop_timeout_s=stop_timeout_s,
    )


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.asyncio
async def test_start_returns_when_the_child_is_ready_and_leaving_the_block_ends_it(tmp_path: Path) -> None:
    events = Events()
    async with Supervisor(events) as supervisor:
        await supervisor.start(spec(tmp_path, "one", OBEDIENT))
        assert supervisor.states() == {"one": ChildState.READY}
        pid = supervisor.pids()["one"]
        assert is_alive(pid)
    assert not is_alive(pid)
    assert supervisor.pids() == {}
    assert events.seen[-1] == ChildEvent("one", ChildState.STOPPED, "exited with status 0")


@pytest.mark.asyncio
async def test_children_end_last_started_first_and_in_the_order_given_within_one_start(tmp_path: Path) -> None:
    events = Events()
    async with Supervisor(events) as supervisor:
        await supervisor.start(spec(tmp_path, "base", OBEDIENT))
        await supervisor.start(*(spec(tmp_path, name, OBEDIENT) for name in ("a", "b", "c")))
    stopped = [event.name for event in events.seen if event.state is ChildState.STOPPED]
    assert stopped == ["a", "b", "c", "base"]


@pytest.mark.asyncio
async def test_a_child_that_dies_is_started_again_and_its_status_and_log_are_told(tmp_path: Path) -> None:
    events = Events()
    async with Supervisor(events, policy=QUICK) as supervisor:
        await supervisor.start(spec(tmp_path, "one", "print('here I am', flush=True)\n" + OBEDIENT))
        first = supervisor.pids()["one"]
        os.kill(first, signal.SIGKILL)
        died = await events.until(is_in(ChildState.WAITING))
        await events.until(is_in(ChildState.READY), count=2)
        assert supervisor.pids()["one"] != first
    assert died.text == "was ended by SIGKILL; restarting in 0.01 s"
    assert died.log_tail == ("here I am",)
    assert died.describe() == "one: was ended by SIGKILL; restarting in 0.01 s\n    here I am"


@pytest.mark.asyncio
async def test_a_child_that_dies_too_often_in_a_row_ends_the_block_and_the_others_in_order(tmp_path: Path) -> None:
    events = Events()
    brittle = """
        import pathlib, sys
        pathlib.Path(sys.argv[1]).touch()
        while pathlib.Path(sys.argv[1]).exists(): pass
        sys.exit("out of luck")
    """
    with pytest.raises(ChildFailedError, match=r"brittle died 4 times in a row; the last time it exited with status 1"):
        await run_until_cancelled(events, spec(tmp_path, "good", OBEDIENT), spec(tmp_path, "brittle", brittle))
    assert sum(map(is_in(ChildState.WAITING, "brittle"), events.seen)) == 3
    assert events.seen[-1] == ChildEvent("good", ChildState.STOPPED, "exited with status 0")


@pytest.mark.asyncio
async def test_a_child_that_ends_before_it_was_ever_ready_fails_the_start_with_the_end_of_its_log(
    tmp_path: Path,
) -> None:
    with pytest.raises(ChildNotReadyError) as failure:
        async with Supervisor(Events()) as supervisor:
            await supervisor.start(
                spec(tmp_path, "good", OBEDIENT), spec(tmp_path, "bad", "import sys; sys.exit('no scenario')")
            )
    assert str(failure.value) == f"bad exited with status 1. The end of {tmp_path / 'bad.log'}:\n    no scenario"


@pytest.mark.asyncio
async def test_a_child_that_never_becomes_ready_is_killed_when_its_time_is_over(tmp_path: Path) -> None:
    events = Events()
    with pytest.raises(ChildNotReadyError, match=r"mute was not ready within 0.3 s: its file is not there"):
        async with Supervisor(events) as supervisor:
            await supervisor.start(spec(tmp_path, "mute", "import sys; sys.stdin.read()", timeout_s=0.3))
    assert supervisor.pids() == {}


@pytest.mark.asyncio
async def test_a_program_that_cannot_be_run_fails_the_start_by_its_name(tmp_path: Path) -> None:
    nothing = ChildSpec("ghost", (str(tmp_path / "nothing"),), {}, tmp_path / "ghost.log", at_once)
    with pytest.raises(ChildNotReadyError, match=r"ghost could not be started: .*No such file"):
        async with Supervisor(Events()) as supervisor:
            await supervisor.start(nothing)


@pytest.mark.asyncio
async def test_a_child_that_heeds_no_sigterm_is_killed_in_the_end_and_that_is_told(tmp_path: Path) -> None:
    events = Events()
    async with Supervisor(events) as supervisor:
        await supervisor.start(spec(tmp_path, "mule", STUBBORN, stop_timeout_s=0.2))
    told = [event for event in events.seen if event.state is ChildState.STOPPING]
    assert [event.text for event in told] == ["did not end within 0.2 s of SIGTERM: killed (SIGKILL)"]
    assert events.seen[-1].text == "was ended by SIGKILL"


@pytest.mark.asyncio
async def test_end_now_kills_all_at_once_whatever_they_are_waiting_for(tmp_path: Path) -> None:
    events, end_now = Events(), asyncio.Event()
    async with asyncio.timeout(20):
        async with Supervisor(events, end_now) as supervisor:
            await supervisor.start(spec(tmp_path, "base", STUBBORN, stop_timeout_s=600))
            await supervisor.start(spec(tmp_path, "mule", STUBBORN, stop_timeout_s=600))
            pids = supervisor.pids().values()
            end_now.set()
    assert not any(map(is_alive, pids))
    assert sum(map(is_in(ChildState.STOPPED), events.seen)) == 2


@pytest.mark.asyncio
async def test_what_a_child_has_started_ends_with_it(tmp_path: Path) -> None:
    parent = """
        import pathlib, subprocess, sys
        child = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"])
        pathlib.Path(sys.argv[1] + ".pid").write_text(str(child.pid))
        pathlib.Path(sys.argv[1]).touch()
        sys.stdin.read()
    """
    async with Supervisor(Events()) as supervisor:
        await supervisor.start(spec(tmp_path, "parent", parent))
        grandchild = int((tmp_path / "parent.ready.pid").read_text())
        assert is_alive(grandchild)
    await gone(grandchild)


@pytest.mark.asyncio
async def test_an_error_in_the_block_is_raised_as_it_is_once_all_have_ended(tmp_path: Path) -> None:
    events = Events()

    async def fail() -> None:
        async with Supervisor(events) as supervisor:
            await supervisor.start(spec(tmp_path, "one", OBEDIENT))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert events.seen[-1].state is ChildState.STOPPED


@pytest.mark.asyncio
async def test_the_first_signal_ends_in_order_and_the_second_at_once(tmp_path: Path) -> None:
    events = Events()
    heard: list[signal.Signals] = []
    async with asyncio.timeout(20), Interrupts(heard.append) as interrupts:
        async with Supervisor(events, interrupts.second) as supervisor:
            await supervisor.start(spec(tmp_path, "mule", STUBBORN, stop_timeout_s=600))
            asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGTERM)
            try:
                await asyncio.Event().wait()
            finally:
                os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("the cancelled block went on")
    assert heard == [signal.SIGTERM]
    assert interrupts.first is signal.SIGTERM
    assert events.seen[-1].text == "was ended by SIGKILL"


@pytest.mark.asyncio
async def test_a_cancellation_that_no_signal_caused_goes_through() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01), Interrupts(lambda _signal: None):
            await asyncio.Event().wait()


@pytest.mark.asyncio
async def test_when_the_supervisor_is_killed_its_children_end_too(tmp_path: Path) -> None:
    program = """
        import asyncio, os, pathlib, sys
        from cli.child import ChildSpec
        from cli.layout import nats_spec
        from cli.supervisor import Supervisor

        async def at_once(note): return

        async def main(folder, port, monitor):
            (folder / "logs").mkdir()
            reader = ChildSpec("reader", (sys.executable, "-S", "-c", "import sys; sys.stdin.read()"), {},
                               folder / "reader.log", at_once)
            async with Supervisor(lambda event: None) as supervisor:
                await supervisor.start(reader, nats_spec({"nats": port, "nats-monitor": monitor}, folder))
                print(*supervisor.pids().values(), flush=True)
                await asyncio.Event().wait()

        asyncio.run(main(pathlib.Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
    """
    ports = choose_ports({}, free=True)
    supervisor = await asyncio.create_subprocess_exec(
        *(
            sys.executable,
            "-c",
            textwrap.dedent(program),
            str(tmp_path),
            str(ports["nats"]),
            str(ports["nats-monitor"]),
        ),
        stdout=asyncio.subprocess.PIPE,
    )
    assert supervisor.stdout is not None
    try:
        async with asyncio.timeout(20):
            children = [int(pid) for pid in (await supervisor.stdout.readline()).split()]
        assert len(children) == 2
        assert all(map(is_alive, children))
    finally:
        supervisor.kill()
        await supervisor.wait()
    for pid in children:
        await gone(pid)


@pytest.mark.asyncio
async def test_a_grpc_server_is_ready_when_it_says_serving_for_the_whole_process() -> None:
    async with serving_health() as (port, servicer):
        servicer.set("", health_pb2.HealthCheckResponse.NOT_SERVING)
        notes: asyncio.Queue[str] = asyncio.Queue()
        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
            ready = tasks.create_task(until_serving(f"127.0.0.1:{port}", notes.put_nowait))
            while await notes.get() != f"health at 127.0.0.1:{port} says NOT_SERVING":
                assert not ready.done()
            assert not ready.done()
            servicer.set("", health_pb2.HealthCheckResponse.SERVING)
        assert ready.done()


@pytest.mark.asyncio
async def test_a_port_where_nothing_listens_is_never_ready_and_the_reason_is_noted() -> None:
    notes: list[str] = []
    port = choose_ports({}, free=True)["sim"]
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await until_serving(f"127.0.0.1:{port}", notes.append)
    assert notes[-1] == f"no gRPC connection to 127.0.0.1:{port}"
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await until_http_ok(port, "/healthz", notes.append)
    assert "refused" in notes[-1]


@asynccontextmanager
async def serving_health() -> AsyncIterator[tuple[int, health.HealthServicer]]:
    server = grpc.server(futures.ThreadPoolExecutor(2))
    servicer = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port, servicer
    finally:
        server.stop(None).wait()


async def run_until_cancelled(events: Events, *specs: ChildSpec) -> None:
    async with Supervisor(events, policy=QUICK) as supervisor:
        for child in specs:
            await supervisor.start(child)
        await asyncio.Event().wait()


async def gone(pid: int) -> None:
    """Wait until the process, which is no child of this one, has ended."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(fd, ended.set)
    try:
        async with asyncio.timeout(20):
            await ended.wait()
    finally:
        asyncio.get_running_loop().remove_reader(fd)
        os.close(fd)


def test_the_delay_before_a_restart_doubles_up_to_a_bound_and_starts_over_after_a_healthy_while() -> None:
    policy = RestartPolicy(first_delay_s=0.5, factor=2.0, max_delay_s=15.0, healthy_s=30.0)
    assert [policy.delay_s(failures) for failures in (1, 2, 3, 5, 6, 10_000)] == [0.5, 1.0, 2.0, 8.0, 15.0, 15.0]
    assert policy.failures_after(4, ready_s=29.9) == 5
    assert policy.failures_after(4, ready_s=30.0) == 1


@pytest.mark.parametrize(
    ("returncode", "text"),
    [
        (0, "exited with status 0"),
        (3, "exited with status 3"),
        (-9, "was ended by SIGKILL"),
        (-99, "was ended by signal 99"),
    ],
)
def test_how_a_process_ended_is_said_in_words(returncode: int, text: str) -> None:
    assert exit_text(returncode) == text


def test_the_end_of_a_log_is_bounded_and_survives_what_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "log"
    assert log_tail(path) == ()
    path.write_bytes(b"\xff\xfe\n" + b"x" * 100_000 + b"\n" + b"".join(b"line %d\n\n" % n for n in range(40)))
    assert log_tail(path) == tuple(f"line {n}" for n in range(25, 40))
    size = path.stat().st_size
    assert log_tail(path, from_byte=size) == ()


def test_the_nats_server_that_is_run_is_the_one_beside_this_python() -> None:
    assert find_nats_server() == str(Path(sys.executable).parent / "nats-server")

"""The supervisor, tested with real child processes."""

import asyncio
import errno
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

from cli.errors import ChildFailedError
from cli.local_mesh.mesh import _Reporter
from cli.local_mesh.ports import choose_ports
from cli.local_mesh.probe import until_http_ok, until_serving
from cli.local_mesh.processes import find_nats_server
from cli.local_mesh.supervision.child import ChildEvent, ChildSpec, ChildState, RestartPolicy, exit_text, log_tail
from cli.local_mesh.supervision.shutdown import SignalShutdown
from cli.local_mesh.supervision.supervisor import Supervisor
from code_proofs import prove, waiting
from qiki_sdk.audit import AuditReporter
from qiki_sdk.codes import PROCESS_DIED

# A child like the mesh's services: it ends on SIGTERM and when its standard input closes, and reports readiness
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
QUICK = RestartPolicy(first_delay_s=0.01, max_delay_s=0.02)


class Events:
    """The reports of a supervisor, and a way to wait for them."""

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


async def for_ever(_note: Callable[[str], None]) -> None:
    await asyncio.Event().wait()


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
async def test_a_child_that_dies_is_restarted_and_its_status_and_log_are_reported(tmp_path: Path) -> None:
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
async def test_a_child_that_dies_repeatedly_is_restarted_without_limit(tmp_path: Path) -> None:
    events = Events()
    brittle = """
        import pathlib, sys
        pathlib.Path(sys.argv[1]).touch()
        while pathlib.Path(sys.argv[1]).exists(): pass
        sys.exit("out of luck")
    """
    async with Supervisor(events, policy=QUICK) as supervisor:
        await supervisor.start(spec(tmp_path, "good", OBEDIENT), spec(tmp_path, "brittle", brittle))
        await events.until(is_in(ChildState.WAITING, "brittle"), count=12)
        assert supervisor.states()["good"] is ChildState.READY


@pytest.mark.asyncio
async def test_a_start_goes_on_when_a_child_dies_before_it_was_ever_ready(tmp_path: Path) -> None:
    events = Events()
    third_time_lucky = f"""
        import pathlib, sys
        tries = pathlib.Path({str(tmp_path / "tries")!r})
        tries.write_text(tries.read_text() + "x" if tries.exists() else "x")
        if len(tries.read_text()) < 3:
            sys.exit("not yet")
    """
    async with Supervisor(events, policy=QUICK) as supervisor:
        await supervisor.start(
            spec(tmp_path, "good", OBEDIENT), spec(tmp_path, "late", textwrap.dedent(third_time_lucky) + OBEDIENT)
        )
        assert supervisor.states() == {"good": ChildState.READY, "late": ChildState.READY}
    died = [event for event in events.seen if is_in(ChildState.WAITING, "late")(event)]
    assert [event.text for event in died] == [
        "exited with status 1; restarting in 0.01 s",
        "exited with status 1; restarting in 0.02 s",
    ]
    assert died[0].log_tail == ("not yet",)


@pytest.mark.parametrize("was_ready", [False, True])
@pytest.mark.asyncio
async def test_a_child_that_cannot_be_used_as_configured_ends_the_block_and_the_others_in_order(
    tmp_path: Path, was_ready: bool
) -> None:
    events = Events()
    misconfigured = """
        import pathlib, sys
        if WAS_READY:
            pathlib.Path(sys.argv[1]).touch()
            while pathlib.Path(sys.argv[1]).exists(): pass
        print("no such colour: red", file=sys.stderr)
        sys.exit(2)
    """.replace("WAS_READY", str(was_ready))
    with pytest.raises(ChildFailedError) as failure:
        await run_until_cancelled(events, spec(tmp_path, "good", OBEDIENT), spec(tmp_path, "bad", misconfigured))
    assert str(failure.value) == (
        "bad exited with status 2: it cannot be used as it is configured, and is not restarted. "
        f"The end of {tmp_path / 'bad.log'}:\n    no such colour: red"
    )
    assert events.seen[-1] == ChildEvent("good", ChildState.STOPPED, "exited with status 0")


@pytest.mark.asyncio
async def test_a_child_that_reports_a_configuration_error_is_restarted_while_it_is_excused(tmp_path: Path) -> None:
    events, excuses = Events(), iter((True, True, False))
    with pytest.raises(ChildFailedError):
        async with Supervisor(events, policy=QUICK, excuse=lambda: next(excuses)) as supervisor:
            await supervisor.start(spec(tmp_path, "bad", "import sys; sys.exit(2)"))
    assert sum(map(is_in(ChildState.WAITING), events.seen)) == 2


@pytest.mark.asyncio
async def test_a_child_that_does_not_become_ready_in_time_is_killed_and_started_again(tmp_path: Path) -> None:
    events = Events()
    async with Supervisor(events, policy=QUICK) as supervisor:
        mute = spec(tmp_path, "mute", "import sys; sys.stdin.read()", timeout_s=0.3)
        starting = asyncio.get_running_loop().create_task(supervisor.start(mute))
        killed = await events.until(is_in(ChildState.WAITING), count=2)
        starting.cancel()
    assert killed.text == "was not ready within 0.3 s: its file is not there; restarting in 0.02 s"
    assert supervisor.pids() == {}


@pytest.mark.asyncio
async def test_a_program_that_cannot_be_run_fails_the_start_by_its_name(tmp_path: Path) -> None:
    nothing = ChildSpec("ghost", (str(tmp_path / "nothing"),), {}, tmp_path / "ghost.log", for_ever)
    with pytest.raises(ChildFailedError, match=r"nothing cannot be run: No such file"):
        async with Supervisor(Events()) as supervisor:
            await supervisor.start(nothing)


@pytest.mark.asyncio
async def test_a_child_is_replaced_after_an_orderly_end_and_without_delay(tmp_path: Path) -> None:
    events = Events()
    async with Supervisor(events, policy=RestartPolicy(first_delay_s=600)) as supervisor:
        await supervisor.start(spec(tmp_path, "one", OBEDIENT))
        first = supervisor.pids()["one"]
        supervisor.renew("one", "it has grown old")
        supervisor.renew("one", "it has grown old")  # while it ends: once is enough
        renewed = await events.until(is_in(ChildState.WAITING))
        supervisor.renew("one", "it has grown old")  # while it is being started: it is new
        await events.until(is_in(ChildState.READY), count=2)
        assert supervisor.pids()["one"] != first
    assert renewed.text == "exited with status 0; restarting now: it has grown old"
    assert sum(map(is_in(ChildState.WAITING), events.seen)) == 1


@pytest.mark.asyncio
async def test_a_child_that_ignores_sigterm_is_killed_and_that_is_reported(tmp_path: Path) -> None:
    events = Events()
    async with Supervisor(events) as supervisor:
        await supervisor.start(spec(tmp_path, "mule", STUBBORN, stop_timeout_s=0.2))
    reported = [event for event in events.seen if event.state is ChildState.STOPPING]
    assert [event.text for event in reported] == ["did not end within 0.2 s of SIGTERM: killed (SIGKILL)"]
    assert events.seen[-1].text == "was ended by SIGKILL"


@pytest.mark.asyncio
async def test_end_now_kills_all_children_at_once_whatever_they_wait_for(tmp_path: Path) -> None:
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
async def test_processes_started_by_a_child_end_with_it(tmp_path: Path) -> None:
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
    received: list[signal.Signals] = []
    async with asyncio.timeout(20), SignalShutdown(received.append) as shutdown:
        async with Supervisor(events, shutdown.second) as supervisor:
            await supervisor.start(spec(tmp_path, "mule", STUBBORN, stop_timeout_s=600))
            asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGTERM)
            try:
                await asyncio.Event().wait()
            finally:
                os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("the cancelled block went on")
    assert received == [signal.SIGTERM]
    assert shutdown.first is signal.SIGTERM
    assert events.seen[-1].text == "was ended by SIGKILL"


@pytest.mark.asyncio
async def test_a_signal_ends_the_block_although_its_report_cannot_be_written() -> None:
    failures: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: failures.append(context["exception"]))

    def say(_signal: signal.Signals) -> None:
        raise OSError(errno.EIO, "the terminal is gone")

    async with SignalShutdown(say) as shutdown, asyncio.timeout(20):
        os.kill(os.getpid(), signal.SIGHUP)
        await asyncio.Event().wait()
    assert shutdown.first is signal.SIGHUP
    assert len(failures) == 1


@pytest.mark.parametrize(("number", "bounded"), [(signal.SIGHUP, True), (signal.SIGTERM, False)])
@pytest.mark.asyncio
async def test_only_after_a_hangup_the_second_interrupt_follows_by_itself(
    monkeypatch: pytest.MonkeyPatch, number: signal.Signals, bounded: bool
) -> None:
    monkeypatch.setattr("cli.local_mesh.supervision.shutdown.HANGUP_LIMIT_S", 0.01)
    async with SignalShutdown(lambda _signal: None) as shutdown, asyncio.timeout(20):
        os.kill(os.getpid(), number)
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.2)
            assert shutdown.second.is_set() is bounded


@pytest.mark.asyncio
async def test_a_cancellation_that_no_signal_caused_goes_through() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01), SignalShutdown(lambda _signal: None):
            await asyncio.Event().wait()


@pytest.mark.asyncio
async def test_a_grpc_server_is_ready_when_its_overall_health_is_serving() -> None:
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
def test_the_exit_of_a_process_is_described_in_words(returncode: int, text: str) -> None:
    assert exit_text(returncode) == text


def test_the_end_of_a_log_is_bounded_and_may_hold_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "log"
    assert log_tail(path) == ()
    path.write_bytes(b"\xff\xfe\n" + b"x" * 100_000 + b"\n" + b"".join(b"line %d\n\n" % n for n in range(40)))
    assert log_tail(path) == tuple(f"line {n}" for n in range(25, 40))
    size = path.stat().st_size
    assert log_tail(path, from_byte=size) == ()


def test_the_nats_server_that_is_run_is_the_one_beside_this_python() -> None:
    assert find_nats_server() == str(Path(sys.executable).parent / "nats-server")


@pytest.mark.asyncio
async def test_a_killed_child_is_in_the_audit_trail_and_one_that_was_asked_to_end_is_not(tmp_path: Path) -> None:
    audit, events = AuditReporter("", "qiki_up"), Events()
    report = _Reporter(lambda _line: None, 1, audit)

    def both(event: ChildEvent) -> None:
        report(event)
        events(event)

    async with Supervisor(both, None, QUICK) as supervisor:
        await supervisor.start(spec(tmp_path, "radar", OBEDIENT))
        os.kill(supervisor.pids()["radar"], signal.SIGKILL)
        await events.until(is_in(ChildState.READY, "radar"), count=2)
    prove(PROCESS_DIED, waiting(audit))
    (died,) = waiting(audit)
    assert died.message == "radar was ended by SIGKILL"
    assert [(item.name, item.value) for item in died.attributes] == [("process", "radar")]

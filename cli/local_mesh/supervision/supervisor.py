"""Keeps child processes running: starts them, restarts dead ones, and ends them all in order."""

import asyncio
from asyncio.subprocess import Process
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import TracebackType

from cli.errors import ChildFailedError
from cli.local_mesh.supervision.child import (
    EXIT_CONFIG,
    ChildEvent,
    ChildSpec,
    ChildState,
    RestartPolicy,
    exit_text,
    log_tail,
)
from cli.local_mesh.supervision.process import ParentPipe, kill_group, spawn, terminate


@dataclass(slots=True)
class _Child:
    """A child; `end` is set to end it, `renewal` is the reason for restarting it after that."""

    spec: ChildSpec
    state: ChildState = ChildState.STARTING
    process: Process | None = None
    renewal: str = ""
    end: asyncio.Event = field(default_factory=asyncio.Event)
    was_ready: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True, slots=True)
class _Exit:
    """End of one process of a child, the time it was ready, and the end of its log."""

    text: str
    ready_s: float
    log_tail: tuple[str, ...]
    is_final: bool = False


class Supervisor:
    """Runs children inside `async with`; leaving the block ends them.

    The child started last is ended first; children started together are ended in the given order. Each gets SIGTERM,
    then `stop_timeout_s` seconds, then SIGKILL, which is reported. Setting `end_now` kills all at once.

    A child that dies, or takes too long to become ready, is restarted according to `policy` until the block ends. One
    that exits with `EXIT_CONFIG` cancels the block, unless `excuse` returns true at that moment; the others are ended
    in order and ChildFailedError is raised.
    """

    def __init__(
        self,
        report: Callable[[ChildEvent], None],
        end_now: asyncio.Event | None = None,
        policy: RestartPolicy | None = None,
        excuse: Callable[[], bool] = lambda: False,
    ) -> None:
        self._report = report
        self._end_now = end_now or asyncio.Event()
        self._policy = policy or RestartPolicy()
        self._excuse = excuse
        self._starts: list[list[_Child]] = []
        self._draining = asyncio.Event()
        self._killing = False
        self._failure: ChildFailedError | None = None
        self._parent_pipe = ParentPipe()
        self._tasks = asyncio.TaskGroup()

    async def start(self, *specs: ChildSpec) -> None:
        """Start children together and return once every one has been ready, however often it died before."""
        children = [_Child(spec) for spec in specs]
        self._starts.append(children)
        for child in children:
            self._tasks.create_task(self._keep(child))
        for child in children:
            await child.was_ready.wait()

    def renew(self, name: str, why: str) -> None:
        """End a ready child in order and restart it at once; do nothing if it is not ready."""
        child = next(child for child in self._children() if child.spec.name == name)
        if child.state is ChildState.READY and not self._draining.is_set():
            child.renewal = why
            child.end.set()

    def pids(self) -> dict[str, int]:
        """Return the process id of each live child, by name."""
        return {child.spec.name: child.process.pid for child in self._children() if child.process is not None}

    def states(self) -> dict[str, ChildState]:
        """Return the state of each child, by name."""
        return {child.spec.name: child.state for child in self._children()}

    async def __aenter__(self) -> "Supervisor":
        task = asyncio.current_task()
        assert task is not None
        self._owner = task
        self._parent_pipe.__enter__()
        await self._tasks.__aenter__()
        self._killer = self._tasks.create_task(self._kill_when_told())
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            await self._stop_in_order()
        finally:
            self._kill_all()  # all are dead already, unless the line above was cancelled
            self._killer.cancel()
            try:
                # The block's own exception is raised unwrapped, so it is not passed to the task group.
                ended = self._tasks.__aexit__(None, None, None)
                await ended  # keeps the cancellation: a group raises it before a failure
            finally:
                self._parent_pipe.__exit__(None, None, None)
        if self._failure is not None:
            self._owner.uncancel()
            raise self._failure

    async def _keep(self, child: _Child) -> None:
        """Run and restart the child until it is to end."""
        failures = 0
        try:
            while True:
                end = await self._run_once(child)
                if self._draining.is_set():
                    self._tell(child, ChildState.STOPPED, end.text)
                    return
                if child.renewal:
                    self._tell(child, ChildState.WAITING, f"{end.text}; restarting now: {child.renewal}")
                    child.renewal = ""
                    child.end.clear()
                    continue
                if end.is_final and not self._excuse():
                    self._give_up(child, end)
                    return
                failures = self._policy.failures_after(failures, end.ready_s)
                delay_s = self._policy.delay_s(failures)
                text = f"{end.text}; restarting in {delay_s:g} s"
                self._tell(child, ChildState.WAITING, text, end.log_tail, died=end.text)
                if await _set_within(self._draining, delay_s):
                    self._tell(child, ChildState.STOPPED, "is not restarted: everything stops")
                    return
        finally:
            child.ended.set()

    async def _run_once(self, child: _Child) -> _Exit:
        """Run the child once, from start to end."""
        spec, loop = child.spec, asyncio.get_running_loop()
        log_start = spec.log_path.stat().st_size if spec.log_path.exists() else 0
        child.state = ChildState.STARTING
        try:
            process = child.process = await spawn(spec, self._parent_pipe)
        except OSError as error:
            return _Exit(f"could not be started: {error}", 0.0, ())
        try:
            async with asyncio.TaskGroup() as tasks:
                readiness = tasks.create_task(self._become_ready(child, process))
                stopper = tasks.create_task(self._end_when_asked(child, process))
                returncode = await process.wait()
                readiness.cancel()
                stopper.cancel()
        finally:
            kill_group(process)  # the child's own children must not outlive it either
            child.process = None
        why, ready_at = readiness.result() if not readiness.cancelled() else (None, None)
        ready_s = 0.0 if ready_at is None else loop.time() - ready_at
        tail = log_tail(spec.log_path, log_start)
        return _Exit(why or exit_text(returncode), ready_s, tail, is_final=returncode == EXIT_CONFIG)

    async def _become_ready(self, child: _Child, process: Process) -> tuple[str | None, float | None]:
        """Wait until the child is ready; return (None, time), or kill it and return (reason, None)."""
        reasons = deque(["it gave no answer"], maxlen=1)
        try:
            async with asyncio.timeout(child.spec.ready_timeout_s):
                await child.spec.ready(reasons.append)
        except TimeoutError:
            kill_group(process)
            return f"was not ready within {child.spec.ready_timeout_s:g} s: {reasons[-1]}", None
        child.was_ready.set()
        self._tell(child, ChildState.READY, f"is ready (process {process.pid})")
        return None, asyncio.get_running_loop().time()

    async def _end_when_asked(self, child: _Child, process: Process) -> None:
        """End the process on request: by SIGTERM, then by force."""
        await child.end.wait()
        child.state = ChildState.STOPPING
        if self._killing:
            kill_group(process)
            return
        terminate(process)
        await asyncio.sleep(child.spec.stop_timeout_s)  # cancelled as soon as the process has ended
        self._tell(
            child,
            ChildState.STOPPING,
            f"did not end within {child.spec.stop_timeout_s:g} s of SIGTERM: killed (SIGKILL)",
            log_tail(child.spec.log_path),
        )
        kill_group(process)

    async def _stop_in_order(self) -> None:
        self._draining.set()
        for child in self._children(last_started_first=True):
            child.end.set()
            await child.ended.wait()

    async def _kill_when_told(self) -> None:
        await self._end_now.wait()
        self._kill_all()

    def _kill_all(self) -> None:
        self._killing = True
        self._draining.set()
        for child in self._children():
            child.end.set()
            if child.process is not None:
                kill_group(child.process)

    def _give_up(self, child: _Child, end: _Exit) -> None:
        """Cancel the block: a restart does not help a child that cannot run as configured."""
        text = f"{child.spec.name} {end.text}: it cannot be used as it is configured, and is not restarted"
        self._tell(child, ChildState.FAILED, text, died=end.text)
        if self._failure is None:
            tail = _with_tail(f"{text}. The end of {child.spec.log_path}:", end.log_tail)
            self._failure = ChildFailedError(tail)
            self._owner.cancel()

    def _tell(self, child: _Child, state: ChildState, text: str, tail: tuple[str, ...] = (), *, died: str = "") -> None:
        child.state = state
        self._report(ChildEvent(child.spec.name, state, text, tail, died))

    def _children(self, last_started_first: bool = False) -> Iterator[_Child]:
        for children in reversed(self._starts) if last_started_first else self._starts:
            yield from children


async def _set_within(event: asyncio.Event, timeout_s: float) -> bool:
    """Wait for the event for at most `timeout_s` seconds; return whether it is set."""
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return False
    return True


def _with_tail(text: str, tail: tuple[str, ...]) -> str:
    return "\n".join([text, *(f"    {line}" for line in tail or ("(nothing was written)",))])

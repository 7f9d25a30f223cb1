"""Task group: runs tasks concurrently, raises their failure directly, and never loses its owner's cancellation.

`asyncio.TaskGroup` with `except*` around it has three traps, so this project never uses `except*`
(`checks/cancellation.py` checks this):

- A cancellation that arrives in the same moment as a child's failure is lost once `except*` has handled the failure:
  the group raises the failure alone, and the cancelled task runs on.
- Before CPython 3.11.4 an exception raised inside `except*` is wrapped in an exception group.
- Before CPython 3.13 a child that fails while the group waits at its end leaves `Task.cancelling()` one too high.

A `finally` block awaits through `cleanup` alone: an error raised there would replace the cancellation.
"""

import asyncio
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

from qiki_sdk.cleanup import CLEANUP_S, cleanup

__all__ = ["CLEANUP_S", "cleanup", "raise_if_cancelled", "task_group"]

T = TypeVar("T")


class task_group:  # noqa: N801 (used as a function: `async with task_group(...) as group`)
    """An `async with` block that owns tasks: it ends when all have ended; one that fails cancels the others.

    On leaving the block it raises:
        CancelledError: the owner was cancelled, whatever else failed in the same moment.
        Exception: the first failure, where all failures are of the `expected` types.
        BaseExceptionGroup: all failures, where one is of another type.
    """

    def __init__(self, *expected: type[Exception]) -> None:
        self._expected = expected
        self._tasks: set[asyncio.Task[Any]] = set()
        self._failures: list[BaseException] = []
        self._aborting = self._exiting = self._interrupted = False

    async def __aenter__(self) -> Self:
        self._owner = _current_task()
        self._cancellations = self._owner.cancelling()
        return self

    def create_task(self, coroutine: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Start a task that the block owns; one started after a failure is cancelled immediately."""
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._on_done)
        if self._aborting:
            task.cancel()
        return task

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exiting = True
        if self._interrupted:
            self._owner.uncancel()
        if error is not None:
            self._abort()
            if not isinstance(error, asyncio.CancelledError):
                self._failures.append(error)
        while self._tasks:
            try:
                await asyncio.wait(self._tasks)
            except asyncio.CancelledError:
                self._abort()
        if self._owner.cancelling() > self._cancellations:
            raise asyncio.CancelledError
        if self._failures:
            raise self._failure()

    def _on_done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if task.cancelled() or (failure := task.exception()) is None:
            return
        self._failures.append(failure)
        if self._aborting:
            return
        self._abort()
        if not self._exiting:
            self._interrupted = True
            self._owner.cancel()

    def _abort(self) -> None:
        self._aborting = True
        for task in self._tasks:
            task.cancel()

    def _failure(self) -> BaseException:
        if all(isinstance(failure, self._expected) for failure in self._failures):
            return self._failures[0]
        return BaseExceptionGroup("unexpected failures of tasks", self._failures)


def raise_if_cancelled() -> None:
    """Raise CancelledError if the current task has been cancelled and the cancellation was swallowed.

    `asyncio.wait_for` of Python 3.11 swallows it when its result arrives in the same moment, and nats-py waits with it:
    an endless loop that calls such a library asks once a round.
    """
    if _current_task().cancelling():
        raise asyncio.CancelledError


def _current_task() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    assert task is not None, "must run in a task"
    return task

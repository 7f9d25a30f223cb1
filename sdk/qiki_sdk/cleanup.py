"""Cleanup in a `finally` block: bounded in time, and never raised in place of the pending exception."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

CLEANUP_S = 1.0
# Time that a cleanup may still take after it was cancelled for taking too long.
GIVE_UP_S = 0.1
_LOG = logging.getLogger(__name__)


async def cleanup(work: Coroutine[Any, Any, object], timeout_s: float = CLEANUP_S) -> None:
    """Await a cleanup; log its failure instead of raising it, and abandon it after `timeout_s` seconds.

    An error that a cleanup raises in a `finally` block replaces the pending exception. If that is a CancelledError and
    the error is handled, the cancellation is lost and the task runs on for ever.

    Raises:
        CancelledError: the caller was cancelled meanwhile; raised once the cleanup has ended or is abandoned.
    """
    loop = asyncio.get_running_loop()
    task, interrupted = loop.create_task(work), False
    for bound_s in (timeout_s, GIVE_UP_S):
        end = loop.time() + bound_s
        while not task.done() and (left_s := end - loop.time()) > 0:
            try:
                await asyncio.wait([task], timeout=left_s)
            except asyncio.CancelledError:
                interrupted = True
        if task.done():
            break
        task.cancel()
    else:
        _LOG.warning("a cleanup is given up", extra={"work": work.__qualname__, "timeout_s": timeout_s})
    task.add_done_callback(_log_failure)
    if interrupted:
        raise asyncio.CancelledError


def _log_failure(task: asyncio.Task[object]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _LOG.warning("a cleanup failed", extra={"why": str(error) or type(error).__name__})

"""Cleanup in a `finally` block: bounded in time, and never raised in place of what is on its way."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

CLEANUP_S = 1.0
# After a cleanup that takes too long is cancelled, how long it may still take to end.
GIVE_UP_S = 0.1
_LOG = logging.getLogger(__name__)


async def cleanup(work: Coroutine[Any, Any, object], timeout_s: float = CLEANUP_S) -> None:
    """Await a cleanup; log its failure instead of raising it, and give it up after `timeout_s` seconds.

    An error that a cleanup raises in a `finally` block replaces the exception that is on its way there. Where that is a
    CancelledError and somebody handles the error, the cancellation is lost and the task goes on for ever.

    Raises:
        CancelledError: the caller was cancelled meanwhile; raised once the cleanup has ended or is given up.
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

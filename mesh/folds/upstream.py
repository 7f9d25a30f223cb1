"""A fold's source: the run that it serves, with retries until it answers."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import grpc

from mesh.serving.health import Heartbeat
from mesh.tasks import raise_if_cancelled
from qiki.common.v1.stream_pb2 import Run
from qiki_sdk.backoff import Backoff
from qiki_sdk.errors import QikiError, from_rpc_error
from qiki_sdk.stream import TRANSIENT

CALL_TIMEOUT_S = 5.0
_LOG = logging.getLogger(__name__)


async def call(method: Callable[..., Any], request: Any, timeout_s: float = CALL_TIMEOUT_S) -> Any:
    """Make a unary call once.

    Raises:
        QikiError: the refusal, typed.
    """
    try:
        return await method(request, timeout=timeout_s, wait_for_ready=False)
    except grpc.aio.AioRpcError as error:
        raise from_rpc_error(error) from error


async def persist(attempt: Callable[[], Awaitable[Any]], heartbeat: Heartbeat, doing: str) -> Any:
    """Retry until it succeeds, with growing waits, and report meanwhile what the wait is for.

    Raises:
        QikiError: a refusal that a retry cannot change.
    """
    for delay in Backoff(cap_s=2.0).delays():  # without end: a source may return after any time
        raise_if_cancelled()
        try:
            return await attempt()
        except QikiError as error:
            if error.code not in TRANSIENT:
                raise
            heartbeat.beat(f"{doing}: {error.message or error.code.name}")
            await asyncio.sleep(delay)
    raise AssertionError("the waits have no end")


async def learn_run(get_run: Callable[..., Any], request: Any, heartbeat: Heartbeat, source: str) -> Run:
    """Ask the source which run it serves, without a time limit."""
    response = await persist(lambda: call(get_run, request), heartbeat, f"waiting for {source}")
    run: Run = response.run
    return run

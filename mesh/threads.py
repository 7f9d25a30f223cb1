"""Blocking work in a thread, awaited to its end."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def finish_in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a function in a thread and return its result; a cancellation is raised only once the function has ended.

    A thread cannot be cancelled. A cancelled caller that writes files this way has still written them in order: no
    write continues after the next owner has taken the directory.
    """
    executor: Executor | None = None
    future = asyncio.get_running_loop().run_in_executor(executor, partial(function, *args, **kwargs))
    cancelled = False
    while not future.done():
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        future.exception()  # has no other reader
        raise asyncio.CancelledError
    return future.result()

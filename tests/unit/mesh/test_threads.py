"""Blocking work in a thread, awaited to its end."""

import asyncio
import threading

import pytest

from mesh.threads import finish_in_thread

pytestmark = pytest.mark.asyncio
WAIT_S = 20.0


def fail() -> None:
    raise OSError("full")


async def test_the_result_or_error_of_the_function_is_passed_on() -> None:
    assert await finish_in_thread(divmod, 7, 2) == (3, 1)
    with pytest.raises(OSError, match="full"):
        await finish_in_thread(fail)


@pytest.mark.parametrize("cancellations", [1, 3])
async def test_a_cancellation_is_raised_once_the_function_has_ended(cancellations: int) -> None:
    let, ended = threading.Event(), threading.Event()

    def work() -> None:
        assert let.wait(WAIT_S)
        ended.set()

    task = asyncio.get_running_loop().create_task(finish_in_thread(work))
    for _ in range(cancellations):
        await asyncio.sleep(0.01)
        task.cancel()
    await asyncio.sleep(0.01)
    assert not task.done()
    let.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()


async def test_an_error_after_the_cancellation_is_discarded() -> None:
    let = threading.Event()

    def work() -> None:
        assert let.wait(WAIT_S)
        fail()

    task = asyncio.get_running_loop().create_task(finish_in_thread(work))
    await asyncio.sleep(0.01)
    task.cancel()
    let.set()
    with pytest.raises(asyncio.CancelledError):
        await task

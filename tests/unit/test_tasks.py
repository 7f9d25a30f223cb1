"""Task groups that raise failures one by one and never lose a cancellation."""

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

from checks import cancellation
from mesh.tasks import raise_if_cancelled, task_group


class Expected(Exception):  # noqa: N818 (named for its role here)
    pass


class AlsoExpected(Expected):
    pass


async def fail(error: Exception) -> None:
    raise error


@pytest.mark.asyncio
async def test_an_expected_failure_is_raised_by_itself() -> None:
    error = AlsoExpected("a child failed")

    async def run() -> None:
        async with task_group(Expected) as group:
            group.create_task(fail(error))
            await asyncio.sleep(10)

    with pytest.raises(AlsoExpected) as caught:
        await run()
    assert caught.value is error


@pytest.mark.asyncio
async def test_a_failure_of_the_body_is_raised_by_itself() -> None:
    error = Expected("the body failed")
    with pytest.raises(Expected) as caught:
        async with task_group(Expected):
            raise error
    assert caught.value is error


@pytest.mark.asyncio
async def test_an_unexpected_failure_beside_an_expected_one_is_not_hidden() -> None:
    async def run() -> None:
        async with task_group(Expected) as group:
            group.create_task(fail(Expected()))
            group.create_task(fail(KeyError()))

    with pytest.raises(BaseExceptionGroup) as caught:
        await run()
    assert {type(error) for error in caught.value.exceptions} == {Expected, KeyError}


@pytest.mark.asyncio
async def test_a_group_without_failure_returns() -> None:
    done = []
    async with task_group(Expected) as group:
        group.create_task(asyncio.sleep(0)).add_done_callback(lambda _task: done.append(True))
    assert done == [True]


@pytest.mark.asyncio
async def test_a_cancellation_in_the_same_moment_as_a_failure_is_not_lost() -> None:
    rounds = 0

    async def loop() -> None:
        nonlocal rounds
        while True:
            rounds += 1
            try:
                async with task_group(Expected) as group:
                    group.create_task(fail_when(moment))
                    await asyncio.sleep(10)
            except Expected:
                moment.clear()

    async def fail_when(event: asyncio.Event) -> None:
        await event.wait()
        raise Expected

    moment = asyncio.Event()
    task = asyncio.create_task(loop())
    await asyncio.sleep(0.01)
    moment.set()
    await asyncio.sleep(0)  # the child has failed; its group has not heard of it yet
    task.cancel()
    await asyncio.wait([task], timeout=5)
    assert task.cancelled()
    assert rounds == 1


@pytest.mark.asyncio
async def test_a_group_inside_a_cancelled_task_still_raises_its_failure() -> None:
    """A cleanup that runs because its task was cancelled sees its own failures, not the old cancellation again."""

    async def cleans_up() -> str:
        try:
            await asyncio.sleep(10)
        finally:
            try:
                async with task_group(Expected) as group:
                    group.create_task(fail(Expected()))
            except Expected:
                cleaned.append(True)

    cleaned: list[bool] = []
    task = asyncio.create_task(cleans_up())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task], timeout=5)
    assert task.cancelled()
    assert cleaned == [True]


@pytest.mark.asyncio
async def test_a_swallowed_cancellation_is_raised_again() -> None:
    async def swallows() -> None:
        while True:
            with suppress(asyncio.CancelledError):  # as a library may
                await asyncio.sleep(10)
            raise_if_cancelled()

    task = asyncio.create_task(swallows())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task], timeout=5)
    assert task.cancelled()


def test_the_check_finds_except_star(tmp_path: Path) -> None:
    path = tmp_path / "lost.py"
    path.write_text("try:\n    pass\nexcept* ValueError:\n    pass\n")
    assert [line.partition(": ")[0] for line in cancellation.problems(path)] == [f"{path}:1"]


def test_the_check_passes_plain_handlers(tmp_path: Path) -> None:
    path = tmp_path / "kept.py"
    path.write_text("try:\n    pass\nexcept ValueError:\n    pass\n")
    assert list(cancellation.problems(path)) == []

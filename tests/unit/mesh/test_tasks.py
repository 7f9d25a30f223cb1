"""Task groups that raise failures one by one and never lose a cancellation."""

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

from checks import cancellation
from mesh.tasks import cleanup, raise_if_cancelled, task_group


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
    await asyncio.sleep(0)  # the child has failed; its group has not noticed yet
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


class LibraryError(Exception):
    pass


async def closes_badly() -> None:
    raise LibraryError("the connection is gone")


@pytest.mark.asyncio
async def test_a_cleanup_that_fails_does_not_replace_the_cancellation() -> None:
    rounds = 0

    async def loop() -> None:
        nonlocal rounds
        while True:
            rounds += 1
            with suppress(LibraryError):
                try:
                    await asyncio.sleep(10)
                finally:
                    await cleanup(closes_badly())

    task = asyncio.create_task(loop())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task], timeout=5)
    assert task.cancelled()
    assert rounds == 1


@pytest.mark.asyncio
async def test_a_cleanup_that_fails_does_not_replace_the_error_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        try:
            raise Expected("the reason")
        finally:
            await cleanup(closes_badly())

    with pytest.raises(Expected, match="the reason"):
        await work()
    await asyncio.sleep(0)
    assert [record.why for record in caplog.records if record.msg == "a cleanup failed"] == ["the connection is gone"]  # type: ignore[attr-defined]


@pytest.mark.asyncio
async def test_a_cancellation_during_a_cleanup_is_raised_after_it() -> None:
    done = []

    async def closes() -> None:
        closing.set()
        await asyncio.sleep(0.01)
        done.append(True)

    closing = asyncio.Event()
    task = asyncio.create_task(cleanup(closes()))
    await closing.wait()
    task.cancel()
    await asyncio.wait([task], timeout=5)
    assert task.cancelled()
    assert done == [True]


@pytest.mark.asyncio
async def test_a_cleanup_that_swallows_its_cancellation_is_abandoned(caplog: pytest.LogCaptureFixture) -> None:
    async def never() -> None:
        while not over.is_set():
            with suppress(asyncio.CancelledError):
                await over.wait()

    over = asyncio.Event()
    async with asyncio.timeout(5):
        await cleanup(never(), timeout_s=0.01)
    assert "a cleanup is given up" in caplog.messages
    over.set()


@pytest.mark.parametrize(
    ("code", "lines"),
    [
        ("try:\n    pass\nfinally:\n    await client.close()\n", [4]),
        ("try:\n    pass\nfinally:\n    if client:\n        async with client:\n            pass\n", [5]),
        ("try:\n    pass\nexcept BaseException:\n    await client.close()\n    raise\n", [4]),
        ("try:\n    pass\nexcept (KeyError, asyncio.CancelledError):\n    await client.close()\n    raise\n", [4]),
        ("try:\n    pass\nexcept:\n    await client.close()\n    raise\n", [4]),
        ("try:\n    pass\nfinally:\n    await tasks.cleanup(client.close())\n", [4]),
        ("try:\n    pass\nfinally:\n    await cleanup(client.close())\n", []),
        ("try:\n    pass\nfinally:\n    await group.end()  # keeps the cancellation: it is raised first\n", []),
        ("try:\n    await work()\nexcept KeyError:\n    await work()\nelse:\n    await work()\n", []),
        ("try:\n    pass\nfinally:\n    async def later():\n        await work()\n", []),
    ],
)
def test_the_check_finds_awaits_in_cleanup_code(tmp_path: Path, code: str, lines: list[int]) -> None:
    path = tmp_path / "lost.py"
    body = "".join(f"    {line}\n" for line in code.splitlines())
    path.write_text(f"async def f():\n{body}")
    assert [line.partition(": ")[0] for line in cancellation.problems(path)] == [f"{path}:{at + 1}" for at in lines]
    assert list(cancellation.problems(path, may_raise_in_cleanup=True)) == []


def test_the_check_lets_tests_raise_in_their_cleanups(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, status in (("mesh", 1), ("tests", 0)):
        root = tmp_path / name
        root.mkdir()
        (root / "a.py").write_text("async def f():\n    try:\n        pass\n    finally:\n        await g()\n")
        assert cancellation.main([str(root)]) == status
    assert "mesh/a.py:5: " in capsys.readouterr().out

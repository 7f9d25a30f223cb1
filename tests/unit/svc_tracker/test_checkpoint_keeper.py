"""Checkpoint storage beside the fold: a checkpoint is on the disk before it is safe, and the loop never blocks."""

import asyncio
import errno
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

import svc_tracker.checkpoints.keeper
from mesh.feeds.notifier import Notifier
from qiki_sdk.audit import AuditReporter
from svc_tracker.checkpoints.keeper import MAX_CHECKPOINTS, CheckpointKeeper
from svc_tracker.checkpoints.store import Checkpoint, CheckpointPosition, CheckpointStore, FeedPosition, Written

pytestmark = pytest.mark.asyncio

RUN = "11111111-2222-4333-8444-555555555555"
WAIT_S = 20.0
EVERYTHING = 10**6


def checkpoint(number: int) -> Checkpoint:
    place = CheckpointPosition(
        RUN, f"token {number}", number, number, FeedPosition(number * 10, "0a" * 8), FeedPosition(number, "0b" * 8)
    )
    return Checkpoint(place, b"tracker", b"guard")


def files(directory: Path) -> int:
    return len(list(directory.glob("*.checkpoint")))


class SlowStore(CheckpointStore):
    """A store that writes when permitted and fails when configured to; records its actions."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, RUN)
        self.let = threading.Event()
        self.let.set()
        self.error: OSError | None = None
        self.done: list[str] = []

    def write(self, checkpoint: Checkpoint) -> Written:
        self._pause()
        written = super().write(checkpoint)
        self.done.append(f"wrote {checkpoint.place.frame_sequence}")
        return written

    def record(self, safe: Sequence[Written]) -> None:
        self._pause()
        super().record(safe)
        self.done.append(f"recorded {safe[-1].place.frame_sequence}")

    def remove(self, places: Sequence[CheckpointPosition]) -> None:
        super().remove(places)
        self.done.append("removed " + ", ".join(str(place.frame_sequence) for place in places))

    def _pause(self) -> None:
        assert self.let.wait(WAIT_S)
        if self.error is not None:
            raise self.error


@dataclass
class Keeping:
    keeper: CheckpointKeeper
    store: SlowStore
    change: Notifier
    audit: AuditReporter
    task: asyncio.Task[None]
    confirmed: list[int] = field(default_factory=lambda: [0, 0])
    reported: list[str] = field(default_factory=list)

    def confirm(self, tracks: int, guard: int = EVERYTHING) -> None:
        self.confirmed[:] = [tracks, guard]
        self.change.notify()

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(WAIT_S):
            while not holds():  # noqa: ASYNC110 (a thread sets no event of ours)
                await asyncio.sleep(0)

    async def write(self, *numbers: int) -> None:
        for number in numbers:
            self.keeper.offer(partial(checkpoint, number))
            await self.until(lambda: self.keeper.is_free)


@asynccontextmanager
async def keeping(directory: Path, resumed_from: Sequence[Written] = ()) -> AsyncIterator[Keeping]:
    store, change, audit = SlowStore(directory), Notifier(), AuditReporter("", "svc_tracker")
    store.load()
    keeper = CheckpointKeeper(store, change, audit, resumed_from)
    confirmed, reported = [0, 0], list[str]()

    def on_safe() -> None:
        assert keeper.safe is not None
        reported.append(f"{keeper.safe.frame_sequence} after {store.done[-1]}")

    async with asyncio.TaskGroup() as group:
        task = group.create_task(keeper.run(lambda: (confirmed[0], confirmed[1]), on_safe))
        yield Keeping(keeper, store, change, audit, task, confirmed, reported)
        task.cancel()


async def test_a_checkpoint_is_safe_only_once_all_readers_have_confirmed_both_outputs(tmp_path: Path) -> None:
    async with keeping(tmp_path) as it:
        await it.write(1)
        for tracks, guard in ((9, EVERYTHING), (EVERYTHING, 0)):
            it.confirm(tracks, guard)
            await asyncio.sleep(0.01)
            assert it.keeper.safe is None
        it.confirm(10, 1)
        await it.until(lambda: it.keeper.safe == checkpoint(1).place)


async def test_a_position_is_safe_only_once_its_record_is_on_the_disk(tmp_path: Path) -> None:
    async with keeping(tmp_path) as it:
        await it.write(1)
        it.store.let.clear()
        it.confirm(EVERYTHING)
        await asyncio.sleep(0.05)
        assert it.keeper.safe is None
        it.store.let.set()
        await it.until(lambda: it.keeper.safe is not None)
        assert it.store.done == ["wrote 1", "recorded 1"]
        assert [each for _, each in CheckpointStore(tmp_path, RUN).load().checkpoints] == [checkpoint(1)]


async def test_older_checkpoints_are_removed_after_the_record_except_one(tmp_path: Path) -> None:
    async with keeping(tmp_path) as it:
        await it.write(1, 2, 3, 4)
        it.confirm(30)
        await it.until(lambda: it.keeper.safe == checkpoint(3).place and len(it.store.done) == 6)
        assert it.store.done[4:] == ["recorded 3", "removed 1"]
        it.confirm(40)
        await it.until(lambda: it.keeper.safe == checkpoint(4).place and len(it.store.done) == 8)
        assert it.store.done[6:] == ["recorded 4", "removed 2"]
        assert it.reported == ["3 after recorded 3", "4 after recorded 4"]


async def test_the_fold_goes_on_while_a_checkpoint_is_written(tmp_path: Path) -> None:
    async with keeping(tmp_path) as it:
        it.store.let.clear()
        it.keeper.offer(partial(checkpoint, 1))
        for _ in range(100):  # the loop is free
            await asyncio.sleep(0)
        assert not it.keeper.is_free
        it.confirm(EVERYTHING)
        assert it.keeper.safe is None
        it.store.let.set()
        await it.until(lambda: it.keeper.is_free and it.keeper.safe is not None)


async def test_a_cancelled_keeper_leaves_no_write_running(tmp_path: Path) -> None:
    async with keeping(tmp_path) as it:
        it.store.let.clear()
        it.keeper.offer(partial(checkpoint, 1))
        await asyncio.sleep(0.05)
        it.task.cancel()
        await asyncio.sleep(0.05)
        assert not it.task.done()
        it.store.let.set()
        await it.until(it.task.done)
        assert it.store.done == ["wrote 1"]


async def test_a_failing_disk_is_reported_once_and_only_written_checkpoints_are_safe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(svc_tracker.checkpoints.keeper, "RETRY_S", 0.01)
    async with keeping(tmp_path) as it:
        await it.write(1)
        it.store.error = OSError(errno.EIO, "broken")
        it.confirm(EVERYTHING)
        await asyncio.sleep(0.1)
        assert it.keeper.safe is None
        assert it.audit.counts().reported == 1
        it.store.error = None
        await it.until(lambda: it.keeper.safe == checkpoint(1).place)
        assert it.audit.counts().reported == 2


async def test_a_checkpoint_that_cannot_be_written_is_written_once_the_disk_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lossless source that waits for it sends no frame, so none follows: without a retry it waits for ever."""
    monkeypatch.setattr(svc_tracker.checkpoints.keeper, "RETRY_S", 0.01)
    async with keeping(tmp_path) as it:
        it.confirm(EVERYTHING)
        it.store.error = OSError(errno.ENOSPC, "full")
        it.keeper.offer(partial(checkpoint, 1))
        await it.until(lambda: it.audit.counts().reported == 1)
        it.store.error = None
        await it.until(lambda: it.keeper.safe == checkpoint(1).place)


async def test_a_checkpoint_taken_while_another_is_written_is_written_after_it(tmp_path: Path) -> None:
    async with keeping(tmp_path) as it:
        it.confirm(EVERYTHING)
        it.store.let.clear()
        it.keeper.offer(partial(checkpoint, 1))
        await it.until(lambda: it.keeper._writing)
        it.keeper.offer(partial(checkpoint, 2))
        it.keeper.offer(partial(checkpoint, 3))
        it.store.let.set()
        await it.until(lambda: it.keeper.safe == checkpoint(3).place)
        assert [step for step in it.store.done if step.startswith("wrote")] == ["wrote 1", "wrote 3"]


async def test_a_checkpoint_that_cannot_be_written_makes_way_for_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(svc_tracker.checkpoints.keeper, "RETRY_S", 0.01)
    async with keeping(tmp_path) as it:
        it.confirm(EVERYTHING)
        it.store.error = OSError(errno.ENOSPC, "full")
        it.keeper.offer(partial(checkpoint, 1))
        await it.until(lambda: it.audit.counts().reported == 1)
        it.keeper.offer(partial(checkpoint, 2))
        it.store.error = None
        await it.until(lambda: it.keeper.safe == checkpoint(2).place)
        assert [step for step in it.store.done if step.startswith("wrote")] == ["wrote 2"]


async def test_a_checkpoint_that_cannot_be_made_is_reported_and_the_next_one_is_kept(tmp_path: Path) -> None:
    def broken() -> Checkpoint:
        raise ZeroDivisionError("a bug")

    async with keeping(tmp_path) as it:
        it.keeper.offer(broken)
        await it.until(lambda: it.keeper.is_free)
        assert it.audit.counts().reported == 1
        await it.write(2)
        it.confirm(EVERYTHING)
        await it.until(lambda: it.keeper.safe == checkpoint(2).place)


async def test_without_confirmations_the_checkpoints_are_bounded_and_the_oldest_stays(tmp_path: Path) -> None:
    async with keeping(tmp_path) as it:
        await it.write(*range(1, MAX_CHECKPOINTS * 3))
        assert files(tmp_path) <= MAX_CHECKPOINTS
        it.confirm(10)
        await it.until(lambda: it.keeper.safe == checkpoint(1).place)


async def test_the_safe_position_survives_a_restart_and_advances(tmp_path: Path) -> None:
    async with keeping(tmp_path) as it:
        await it.write(1, 2)
        it.confirm(EVERYTHING)
        await it.until(lambda: it.keeper.safe == checkpoint(2).place)
    found = [written for written, _ in CheckpointStore(tmp_path, RUN).load().checkpoints]
    async with keeping(tmp_path, found) as again:
        assert again.keeper.safe == checkpoint(2).place
        await again.write(3)
        assert again.keeper.safe == checkpoint(2).place
        again.confirm(EVERYTHING)
        await again.until(lambda: again.keeper.safe == checkpoint(3).place)

"""Power cuts: every receipt given before holds after, whatever the disk kept of what was not flushed."""

import random
from pathlib import Path

import pytest

from log_cases import SMALL, append, opened, text_of, texts
from lossy_disk import lossy_disk, swap
from mesh import failpoints
from mesh.storage.append_log import AppendLog
from svc_registrar.domain.merkle import leaf_hash
from svc_registrar.log.identity import DIRECTORY
from svc_registrar.log.retention import RetentionPolicy, expire
from svc_registrar.verify.verify import Task, own_key, verify


class PowerCutError(BaseException):
    """The power is cut at this point: nothing after it runs."""


def live(root: Path, rng: random.Random, receipts: dict[int, tuple[str, bytes]], retain: bool) -> int:
    """Record, sign and expire until the power is cut at a random point; return the oldest record kept."""
    left = rng.randrange(1, 60)

    def maybe_cut(_name: str) -> None:
        nonlocal left
        left -= 1
        if left <= 0:
            raise PowerCutError

    oldest = 1
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(failpoints, "reach", maybe_cut)
        try:
            with opened(root, rotation=SMALL) as log:
                while True:
                    sent = [f"event {rng.random()} {'x' * rng.randrange(300)}" for _n in range(rng.randrange(1, 5))]
                    added = append(log, sent)
                    for number, text in enumerate(sent):
                        receipts[added.first_index + number] = (text, added.leaves[number])
                    if rng.random() < 0.3:
                        log.checkpoint()
                    if retain and rng.random() < 0.2:
                        expire(log, RetentionPolicy(bytes=4_000), 0, log.last_index)
                    oldest = log.oldest_index
        except PowerCutError:
            return oldest


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("retain", [False, True])
def test_every_receipt_holds_after_power_cuts(tmp_path: Path, seed: int, retain: bool) -> None:
    rng, root = random.Random(seed), tmp_path / "state"
    root.mkdir()
    receipts: dict[int, tuple[str, bytes]] = {}
    for cut in range(5):
        with lossy_disk(root, rng) as disk:
            with opened(root, rotation=SMALL):
                pass
            live(root, rng, receipts, retain)
            disk.cut_power(tmp_path / f"cut {cut}")
        swap(tmp_path / f"cut {cut}", root)
        with opened(root, rotation=SMALL) as log:
            assert log.last_index >= max(receipts, default=0)
            assert retain or log.oldest_index == 1
            for index, (text, leaf) in receipts.items():
                if index >= log.oldest_index:
                    line = log.read(index)
                    assert (text_of(line), leaf_hash(line.data)) == (text, leaf)
                assert log.tree.leaves(index - 1, 1) == leaf
            log.checkpoint()
        directory = root / DIRECTORY
        assert verify(Task(directory, own_key(directory))).finding is None


def test_the_disk_of_these_tests_loses_what_is_not_flushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check of the check: a log that gives receipts before the flush loses some of them."""
    lost = 0
    monkeypatch.setattr(AppendLog, "append", _append_without_flush)
    for seed in range(10):
        root = tmp_path / f"state {seed}"
        root.mkdir()
        with lossy_disk(root, random.Random(seed)) as disk, opened(root) as log:
            append(log, ["one", "two"])
            disk.cut_power(tmp_path / f"cut {seed}")
        with opened(tmp_path / f"cut {seed}") as log:
            lost += texts(log) != ["one", "two"]
    assert lost > 0


def _append_without_flush(log: AppendLog, data: bytes) -> None:
    log.open()
    with log.path.open("r+b") as file:
        file.seek(log.end)
        file.write(data)
    log.end += len(data)

"""Upkeep of the log: when it is signed, which checkpoints are published, and that publishing does not feed itself."""

from pathlib import Path

import pytest

from log_cases import SMALL, append, opened, segments
from qiki_sdk import codes
from svc_registrar.log.retention import RetentionPolicy
from svc_registrar.upkeep import EXPIRE_PERIOD_S, Upkeep, UpkeepSettings


class Clock:
    """A monotonic clock that the test drives."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 1_000.0
        monkeypatch.setattr("svc_registrar.upkeep.time.monotonic", lambda: self.now_s)


def test_the_log_is_signed_in_a_pause_and_otherwise_by_time_and_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    with opened(tmp_path) as log:
        upkeep = Upkeep(log, UpkeepSettings(checkpoint_events=3, checkpoint_s=10.0), lambda: log.last_index)
        assert not upkeep.due(idle=True), "nothing is recorded"
        append(log, ["one"])
        assert (upkeep.due(idle=True), upkeep.due(idle=False)) == (True, False)
        clock.now_s += 10.0
        assert upkeep.due(idle=False)
        upkeep.run()
        assert not upkeep.due(idle=True), "everything is signed"
        append(log, ["two", "three"])
        assert not upkeep.due(idle=False)
        append(log, ["four"])
        assert upkeep.due(idle=False)


def test_a_checkpoint_is_published_once_a_period_and_not_for_its_own_publication(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    with opened(tmp_path) as log:
        upkeep = Upkeep(log, UpkeepSettings(publish_s=300.0), lambda: log.last_index)
        append(log, ["one", "two"])
        assert upkeep.run() == [], "the period is not over"
        clock.now_s += 300.0
        ((code, attributes),) = upkeep.run()
        assert (code, attributes["size"]) == (codes.LOG_CHECKPOINT, 2)
        assert log.verifier.open(str(attributes["note"])).size == 2
        append(log, ["the checkpoint itself"])
        clock.now_s += 300.0
        assert upkeep.run() == []
        append(log, ["another event"])
        clock.now_s += 1.0
        assert [code for code, _attributes in upkeep.run()] == [codes.LOG_CHECKPOINT]


def test_old_segments_are_looked_for_once_a_period_even_if_nothing_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    with opened(tmp_path, rotation=SMALL) as log:
        settings = UpkeepSettings(retention=RetentionPolicy(bytes=1))
        upkeep = Upkeep(log, settings, lambda: log.last_index)
        for number in range(40):
            append(log, [f"event {number} {'x' * 100}"])
        log.checkpoint()
        assert not upkeep.due(idle=True)
        clock.now_s += EXPIRE_PERIOD_S
        assert upkeep.due(idle=True)
        (trimmed,) = upkeep.run()
        assert len(segments(tmp_path)) == 1
        assert trimmed == (codes.LOG_TRIMMED, {"first": 1, "last": log.oldest_index - 1})
        assert not upkeep.due(idle=True)

"""A log of the earlier binary format: it goes on as lines, with its id, indexes, times and events."""

import json
import random
import shutil
from pathlib import Path

import pytest

from damage import flips
from lossy_disk import lossy_disk
from mesh.feeds.token import short_digest
from mesh.serving.errors import StartError
from mesh.storage.files import write_checked
from qiki_sdk import codes
from qiki_sdk.audit_event import make_event
from svc_registrar import event_json, wire
from svc_registrar.log.format_one import LAYOUT
from svc_registrar.log.log import Log

LOG_ID = "11111111-2222-4333-8444-555555555555"
BODIES = [wire.to_submission(make_event("test", codes.GAP, f"event {number}")).body for number in range(1, 6)]


def old_log() -> bytes:
    """A log as the earlier version wrote it: the head, five events in two groups, a mark between them."""
    head = {"format": 1, "log_id": LOG_ID, "created_ns": 10**18, "bot_id": "qiki-01"}
    data = LAYOUT.encode(json.dumps(head).encode(), 0, 0, 10**18)
    for number, body in enumerate(BODIES, 1):
        data += LAYOUT.encode(body, number, len(data), 10**18 + number)
        if number == 3:
            data += LAYOUT.encode(b"", 3, len(data), 10**18 + 3)
    return data


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    (tmp_path / "audit.log").write_bytes(old_log())
    return tmp_path


def test_an_old_log_goes_on_as_lines_with_the_same_identity(state_dir: Path) -> None:
    for _start in range(2):
        log = Log.open(state_dir, "qiki-01", wire.CODEC)
        assert (log.head.log_id, log.head.created_ns, log.last_index) == (LOG_ID, 10**18, 5)
        for index, body in enumerate(BODIES, 1):
            line = log.read(index)
            assert event_json.from_line(line)[1] == body
            assert line.recorded_ns == 10**18 + index
            assert short_digest(event_json.from_line(line)[1]) == short_digest(body), "tokens stay valid"
        log.close()
    assert (state_dir / "audit.log.migrated").read_bytes() == old_log()
    assert not (state_dir / "audit.log").exists()


def test_an_old_logs_unfinished_tail_is_left_out_and_its_damage_refused(state_dir: Path) -> None:
    path, data = state_dir / "audit.log", old_log()
    last = len(data) - len(BODIES[-1]) - LAYOUT.header_bytes
    for _place, flipped in list(flips(data[:last], bits=1))[::7]:
        changed = flipped + data[last:]
        path.write_bytes(changed)
        with pytest.raises(StartError, match="damaged"):
            Log.open(state_dir, "qiki-01", wire.CODEC)
        assert path.read_bytes() == changed
        assert not (state_dir / "audit").exists()
    path.write_bytes(data + b"\xf5\xffQA torn")
    log = Log.open(state_dir, "qiki-01", wire.CODEC)
    assert log.last_index == 5
    log.close()


def test_an_old_log_that_lost_its_end_is_refused(state_dir: Path) -> None:
    path, data = state_dir / "audit.log", old_log()
    write_checked(state_dir / "audit.end", f"{LOG_ID} {len(data)} 5\n".encode())
    path.write_bytes(data[:-200])
    with pytest.raises(StartError, match=f"{len(data)} bytes were whole once"):
        Log.open(state_dir, "qiki-01", wire.CODEC)
    path.unlink()
    with pytest.raises(StartError, match=r"audit.log is gone"):
        Log.open(state_dir, "qiki-01", wire.CODEC)


def test_a_conversion_that_was_interrupted_begins_again(state_dir: Path) -> None:
    (state_dir / "audit.new" / "segments").mkdir(parents=True)
    (state_dir / "audit.new" / "segments" / "rubbish").write_text("half")
    log = Log.open(state_dir, "qiki-01", wire.CODEC)
    assert log.last_index == 5
    log.close()


def test_a_power_cut_after_the_conversion_loses_nothing(state_dir: Path, tmp_path: Path) -> None:
    for seed in range(5):
        with lossy_disk(state_dir, random.Random(seed)) as disk:
            Log.open(state_dir, "qiki-01", wire.CODEC).close()
            disk.cut_power(tmp_path.parent / f"{tmp_path.name}-cut-{seed}")
        after = Log.open(tmp_path.parent / f"{tmp_path.name}-cut-{seed}", "qiki-01", wire.CODEC)
        assert [event_json.from_line(after.read(index))[1] for index in range(1, after.last_index + 1)] == BODIES
        after.close()
        shutil.rmtree(state_dir / "audit")
        (state_dir / "audit.log.migrated").rename(state_dir / "audit.log")

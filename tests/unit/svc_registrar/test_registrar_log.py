"""The registrar's log: its content after any end of the process, its reports of damage, and its search."""

import os
import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from damage import damaged, flips
from full_disk import full_disk
from mesh.serving.errors import StartError
from mesh.storage.log_records import SEARCH_BYTES, LogDamagedError
from svc_registrar.domain import ids as ids_module
from svc_registrar.domain.ids import NEWEST, IdTable
from svc_registrar.domain.index import Entry, Index, Query
from svc_registrar.log_end import LogLostError
from svc_registrar.log_file import LogFile, RecordUnreadableError
from svc_registrar.records import LAYOUT, Record, encode

BATCHES = ([b"one", b"two" * 50], [b"three"], [b"four", b"five" * 100, b"six"])
BODIES = [body for batch in BATCHES for body in batch]


@contextmanager
def opened(state_dir: Path, bot_id: str = "qiki-01") -> Iterator[tuple[LogFile, list[Record]]]:
    records: list[Record] = []
    log = LogFile.open(state_dir, bot_id, records.append)
    try:
        yield log, records
    finally:
        log.close()


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A state directory whose log holds BATCHES, without a mark at its end."""
    with opened(tmp_path / "state") as (log, _records):
        for batch in BATCHES:
            log.append(batch)
    return tmp_path / "state"


def bodies(records: list[Record]) -> list[bytes]:
    return [record.body for record in records]


def test_a_log_opened_again_holds_the_same_bytes_in_the_same_order(written: Path) -> None:
    with opened(written) as (log, records):
        assert bodies(records) == BODIES
        assert [record.sequence for record in records] == list(range(1, 7))
        assert [log.read(record.offset, record.sequence) for record in records] == records
        assert log.cut_bytes == 0


def test_a_log_keeps_its_identity(written: Path) -> None:
    with opened(written) as (log, _records):
        head = log.head
    with opened(written) as (log, _records):
        assert log.head == head


def test_a_log_cut_at_any_byte_keeps_every_whole_record_and_accepts_more(written: Path, tmp_path: Path) -> None:
    with opened(written) as (log, records):
        ends = [record.offset + LAYOUT.header_bytes + len(record.body) for record in records]
        first = records[0].offset
    data = (written / "audit.log").read_bytes()
    for length in range(first, len(data)):
        state = tmp_path / "cut"
        state.mkdir()
        (state / "audit.log").write_bytes(data[:length])
        whole = sum(end <= length for end in ends)
        with opened(state) as (log, found):
            assert bodies(found) == BODIES[:whole]
            assert log.cut_bytes == length - ([first, *ends][whole])
            assert log.append([b"next"]).first_sequence == whole + 1
        with opened(state) as (log, found):
            assert bodies(found) == [*BODIES[:whole], b"next"]
        shutil.rmtree(state)


@pytest.mark.parametrize("garbage", [b"\0" * 100_000, b"\xf5\xffQA" * 20_000, os.urandom(5_000)])
def test_a_tail_of_garbage_is_cut_off_and_kept_beside_the_log(written: Path, garbage: bytes) -> None:
    with (written / "audit.log").open("ab") as file:
        file.write(garbage)
    with opened(written) as (log, records):
        assert bodies(records) == BODIES
        assert log.cut_bytes == len(garbage)
        assert (written / "audit.log").stat().st_size == log.end
    assert (written / "audit.cut").read_bytes() == garbage


def test_a_byte_changed_before_the_last_write_is_damage_reported_with_its_position(written: Path) -> None:
    with opened(written) as (log, records):
        log.seal()
        places = [(record.offset, record.sequence) for record in records]
        end = log.end - LAYOUT.header_bytes
    path, data = written / "audit.log", (written / "audit.log").read_bytes()
    for at in range(end):
        path.write_bytes(data[:at] + bytes((data[at] ^ (1 << at % 8),)) + data[at + 1 :])
        with pytest.raises(LogDamagedError, match="damaged at byte") as caught, opened(written):
            pass
        expected = max((place for place in places if place[0] <= at), default=(0, 0))
        assert (caught.value.offset, caught.value.sequence) == expected
    path.write_bytes(data)
    with opened(written) as (_log, records):
        assert bodies(records) == BODIES


def test_a_log_that_was_sealed_and_is_cut_anywhere_is_refused(written: Path) -> None:
    """Each receipt promises a recorded event: a missing one is detected even if the remaining log is intact."""
    with opened(written) as (log, _records):
        log.seal()
        head, log_id = log.head, log.head.log_id
    path, data = written / "audit.log", (written / "audit.log").read_bytes()
    for length in range(len(data)):
        path.write_bytes(data[:length])
        with pytest.raises((LogLostError, LogDamagedError)) as caught, opened(written):
            pass
        if length > LAYOUT.header_bytes + 200:  # beyond the head, which names the log
            assert f"log {log_id} had {len(data)} bytes and events up to 6" in str(caught.value)
        assert path.read_bytes() == data[:length], "what is left stays as it is"
    path.unlink()
    with pytest.raises(LogLostError, match=r"audit.log is gone: .* or move audit.end away"), opened(written):
        pass
    assert not path.exists(), "no new log begins by itself"
    path.write_bytes(data)
    with opened(written) as (log, records):
        assert (log.head, bodies(records)) == (head, BODIES)


def test_a_sealed_log_with_any_byte_changed_is_refused(written: Path) -> None:
    with opened(written) as (log, _records):
        log.seal()
    path, data = written / "audit.log", (written / "audit.log").read_bytes()
    for _place, content in flips(data, bits=1):
        path.write_bytes(content)
        with pytest.raises(LogDamagedError), opened(written):
            pass
        assert path.read_bytes() == content, "damage is not cut off"


def test_zeros_in_place_of_a_sealed_end_are_damage_and_not_a_torn_tail(written: Path) -> None:
    with opened(written) as (log, records):
        log.seal()
        last = records[-1].offset
    path, data = written / "audit.log", (written / "audit.log").read_bytes()
    path.write_bytes(data[:last] + bytes(len(data) - last))
    with pytest.raises(LogDamagedError, match="bytes were whole once"), opened(written):
        pass


def test_a_torn_tail_beyond_the_seal_is_cut_off_and_earlier_events_stay(written: Path) -> None:
    with opened(written) as (log, _records):
        log.seal()
        log.append([b"after the seal"])
    with (written / "audit.log").open("ab") as file:
        file.write(b"\xf5\xffQA torn")
    with opened(written) as (log, records):
        assert bodies(records) == [*BODIES, b"after the seal"]
        assert log.cut_bytes == 9


def test_a_torn_batch_is_cut_off_and_never_prevents_the_start(written: Path, tmp_path: Path) -> None:
    """A batch is one write of several records, and any part of it may be on the disk after a crash, in any order."""
    with opened(written) as (log, _records):
        log.seal()
        start = log.end
        log.append([b"seven" * 40, b"eight" * 40, b"nine" * 40])
    whole = (written / "audit.log").read_bytes()
    for lost in range(start, len(whole), 16):  # a block that was never written, followed by blocks that were
        (written / "audit.log").write_bytes(whole[:lost] + bytes(16) + whole[lost + 16 :])
        with opened(written) as (log, records):
            assert bodies(records)[: len(BODIES)] == BODIES
            assert bodies(records) == ([*BODIES, b"seven" * 40, b"eight" * 40, b"nine" * 40])[: len(records)]
            assert log.append([b"next"]).first_sequence == len(records) + 1


def test_any_damage_to_the_end_file_is_refused_with_the_remedy(written: Path) -> None:
    with opened(written) as (log, _records):
        log.seal()
    path = written / "audit.end"
    content = path.read_bytes()
    for bad in damaged(content):
        path.write_bytes(bad)
        with pytest.raises(StartError, match=r"audit.end is damaged: .* move audit.end away"), opened(written):
            pass
    path.unlink()
    with opened(written) as (_log, records):
        assert bodies(records) == BODIES, "moved away, the log is taken as it is"


def test_the_log_of_another_directory_is_refused(written: Path, tmp_path: Path) -> None:
    with opened(written) as (log, _records):
        log.seal()
    with opened(tmp_path / "other") as (other, _records):
        pass
    shutil.copy(tmp_path / "other" / "audit.log", written / "audit.log")
    with pytest.raises(LogLostError, match=f"is of another log, {other.head.log_id}"), opened(written):
        pass


def test_damage_far_from_the_end_is_found_beyond_a_whole_search_window(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with opened(state) as (log, _records):
        places = [log.append([random.randbytes(60_000)]).offsets[0] for _number in range(50)]
    with (state / "audit.log").open("r+b") as file:
        file.seek(places[3] + 6)  # the length: the rest of the log is out of step
        file.write(b"\0\0\xff\xff")
    with pytest.raises(LogDamagedError) as caught, opened(state):
        pass
    assert (caught.value.offset, caught.value.sequence) == (places[3], 4)


def test_damage_wider_than_a_search_window_is_found_by_the_first_whole_record_after_it(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with opened(state) as (log, _records):
        places = [log.append([random.randbytes(60_000)]).offsets[0] for _number in range(50)]
    assert places[45] - places[3] > 2 * SEARCH_BYTES
    with (state / "audit.log").open("r+b") as file:
        file.seek(places[3])
        file.write(bytes(places[45] - places[3]))
    with pytest.raises(LogDamagedError, match="record 46 shows it was whole") as caught, opened(state):
        pass
    assert (caught.value.offset, caught.value.sequence) == (places[3], 4)


def test_a_gap_in_the_sequence_is_damage_even_if_every_record_is_whole(written: Path) -> None:
    path = written / "audit.log"
    data = path.read_bytes()
    path.write_bytes(data + encode(len(BODIES) + 2, len(data), 1, b"one is missing before it"))
    with pytest.raises(LogDamagedError, match=f"it is {len(BODIES) + 2}") as caught, opened(written):
        pass
    assert (caught.value.offset, caught.value.sequence) == (len(data), len(BODIES) + 1)


def test_a_record_that_changed_after_the_start_is_not_returned(written: Path) -> None:
    with opened(written) as (log, records):
        with (written / "audit.log").open("r+b") as file:
            file.seek(records[1].offset + LAYOUT.header_bytes)
            file.write(b"X")
        with pytest.raises(RecordUnreadableError):
            log.read(records[1].offset, 2)
        with pytest.raises(RecordUnreadableError):
            log.read(records[0].offset, 2)
        assert log.read(records[2].offset, 3).body == b"three"


def test_a_write_that_fails_leaves_the_log_as_it_was_and_the_next_one_works(written: Path) -> None:
    path = written / "audit.log"
    with opened(written) as (log, _records):
        for spare_bytes in (0, 1, LAYOUT.header_bytes, 50):
            with full_disk(path.stat().st_size + spare_bytes), pytest.raises(OSError, match="File too large"):
                log.append([b"lost" * 10, b"lost too"])
            assert path.stat().st_size == log.end
            with full_disk(path.stat().st_size + spare_bytes), pytest.raises(OSError, match="File too large"):
                log.probe()
        log.probe()
        assert log.append([b"kept"]).first_sequence == 7
    with opened(written) as (log, records):
        assert bodies(records) == [*BODIES, b"kept"]
        assert log.cut_bytes == 0


def test_a_log_of_another_bot_is_refused(written: Path) -> None:
    with pytest.raises(StartError, match="bot qiki-01, not of other"), opened(written, "other"):
        pass


def test_a_directory_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StartError, match="file/state cannot be used"), opened(tmp_path / "file" / "state"):
        pass


def test_an_id_is_found_whatever_the_number_of_later_ones() -> None:
    table, rng = IdTable(), random.Random(1)
    ids = [rng.randbytes(16) for _number in range(3 * NEWEST + 100)]
    for sequence, event_id in enumerate(ids, 1):
        table.add(event_id, sequence)
    for sequence in rng.sample(range(1, len(ids) + 1), 1_000):
        assert list(table.candidates(ids[sequence - 1])) == [sequence]
    assert list(table.candidates(rng.randbytes(16))) == []


def test_no_more_ids_than_a_few_runs_hold_are_merged_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ids_module, "NEWEST", 8)
    monkeypatch.setattr(ids_module, "LONGEST_RUN", 32)
    merged: list[int] = []

    class Counting(ids_module._Sorted):
        def merged(self, other: Any) -> Any:
            found = super().merged(other)
            merged.append(len(found.hashes))
            return found

    monkeypatch.setattr(ids_module, "_Sorted", Counting)
    table, rng = IdTable(), random.Random(3)
    ids = [rng.randbytes(16) for _number in range(1_000)]
    for sequence, event_id in enumerate(ids, 1):
        table.add(event_id, sequence)
    assert [list(table.candidates(event_id)) for event_id in ids] == [[number] for number in range(1, 1_001)]
    assert max(merged) == 32


def _index(count: int, block_rows: int) -> tuple[Index, list[Entry]]:
    rng = random.Random(2)
    entries = [
        Entry(number, 1_000 * number, rng.randbytes(16), rng.choice((101, 601)), rng.choice((1, 3)), rng.choice("ab"))
        for number in range(1, count + 1)
    ]
    index = Index(block_rows)
    for entry in entries:
        index.add(entry)
    return index, entries


@pytest.mark.parametrize(
    "query",
    [
        Query(),
        Query(codes=frozenset({101})),
        Query(min_severity=2),
        Query(reporters=frozenset({"b", "nobody"})),
        Query(reporters=frozenset({"nobody"})),
        Query(recorded_from_ns=100_000, recorded_before_ns=2_000_000),
        Query(recorded_from_ns=2**63 - 1),
        Query(frozenset({601}), 3, frozenset({"a"}), 5_000, -(2**63)),
        Query(frozenset({601}), 3, frozenset({"a"}), 5_000, 2_900_000),
    ],
)
@pytest.mark.parametrize("block_rows", [7, 1_000, 65_536])
def test_the_selection_equals_that_of_a_full_scan(query: Query, block_rows: int) -> None:
    index, entries = _index(3_000, block_rows)
    assert [index.offset(number) for number in range(1, 3_001)] == [entry.offset for entry in entries]
    wanted = [number for number, entry in enumerate(entries, 1) if _fits(entry, query)]
    assert [number for number in range(1, 3_001) if index.accepts(number, query)] == wanted
    assert index.select(query, after=0, before=3_001, most=5_000, newest_first=False) == wanted
    assert index.select(query, after=0, before=3_001, most=7, newest_first=True) == wanted[::-1][:7]
    assert index.select(query, after=0, before=3_001, most=0, newest_first=False) == []
    within = [number for number in wanted if 50 < number < 60]
    assert index.select(query, after=50, before=60, most=100, newest_first=False) == within


def _fits(entry: Entry, query: Query) -> bool:
    return (
        (entry.code in query.codes or not query.codes)
        and entry.severity >= query.min_severity
        and (entry.reporter in query.reporters or not query.reporters)
        and (query.recorded_from_ns is None or entry.recorded_ns >= query.recorded_from_ns)
        and (query.recorded_before_ns is None or entry.recorded_ns < query.recorded_before_ns)
    )

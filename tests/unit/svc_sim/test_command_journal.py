"""The command journal: after any end of the process it holds the acknowledged commands, or the start is refused."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from damage import cuts, flips
from full_disk import full_disk
from mesh.serving.errors import StartError
from mesh.storage.log_records import LogDamagedError
from qiki.common.v1.stream_pb2 import Run
from qiki.sim.v1.commands_pb2 import Command, CommandOutcome, CommandRecord, CommandResult, SetHelm
from svc_sim.durability.journal import MAX_COMMANDS, Journal, adopt
from svc_sim.durability.journal_file import MAX_BODY_BYTES, encode, parse

RUN = Run(
    run_id="7b6f0a3e-2f5c-4f0e-9c41-3a8d2f1e5b00",
    created=Timestamp(seconds=5),
    start_time=Timestamp(seconds=1_767_225_600),
    seed=7,
    bot_id="qiki-01",
    tick_ns=50_000_000,
    scenario_digest="a" * 64,
)
FILE = "commands.journal"


def record(number: int) -> CommandRecord:
    command_id = f"00000000-0000-4000-8000-{number:012}"
    result = CommandResult(command_id=command_id, outcome=CommandOutcome.COMMAND_OUTCOME_APPLIED, tick=number)
    return CommandRecord(
        command=Command(command_id=command_id, set_helm=SetHelm(speed_mps=float(number))), result=result
    )


RECORDS = [record(number) for number in range(1, 6)]


@contextmanager
def opened(state_dir: Path, committed_bytes: int = 0, run: Run = RUN) -> Iterator[Journal]:
    journal = Journal.open(state_dir, run, committed_bytes)
    try:
        yield journal
    finally:
        journal.close()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, list[int]]:
    """A journal's bytes, and the end offset of each record, the head first."""
    state_dir = tmp_path_factory.mktemp("written")
    ends = []
    with opened(state_dir) as journal:
        for item in RECORDS:
            journal.append(item)
            ends.append(journal.end)
    data = (state_dir / FILE).read_bytes()
    return data, [parse(state_dir / FILE, data[: ends[0] - 1], 0).end, *ends]


def test_a_journal_without_a_record_has_no_file(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        assert (journal.records, journal.end, journal.cut_bytes) == ((), 0, 0)
    assert list(tmp_path.iterdir()) == []


def test_a_journal_opened_again_holds_the_same_records_in_order_and_goes_on(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        for item in RECORDS[:3]:
            journal.append(item)
        end = journal.end
    with opened(tmp_path, committed_bytes=end) as journal:
        assert list(journal.records) == RECORDS[:3]
        for item in RECORDS[3:]:
            journal.append(item)
    with opened(tmp_path) as journal:
        assert list(journal.records) == RECORDS


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_a_journal_cut_anywhere_keeps_every_whole_record_and_reports_the_rest(
    written: tuple[bytes, list[int]], data: st.DataObject
) -> None:
    content, ends = written
    length = data.draw(st.integers(0, len(content)))
    committed_bytes = data.draw(st.sampled_from([0, *ends]))
    whole = [end for end in ends if end <= length]
    if not whole or committed_bytes > whole[-1]:
        with pytest.raises(LogDamagedError) as caught:
            parse(Path(FILE), content[:length], committed_bytes)
        assert caught.value.offset == (whole[-1] if whole else 0)
        return
    contents = parse(Path(FILE), content[:length], committed_bytes)
    assert len(contents.bodies) == len(whole)
    assert (contents.end, contents.torn_bytes) == (whole[-1], length - whole[-1])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_a_changed_byte_is_reported_wherever_it_matters_and_no_false_record_is_read(
    written: tuple[bytes, list[int]], data: st.DataObject
) -> None:
    content, ends = written
    place = data.draw(st.integers(0, len(content) - 1))
    flip = data.draw(st.integers(1, 255))
    committed_bytes = data.draw(st.sampled_from([0, *ends]))
    damaged = content[:place] + bytes([content[place] ^ flip]) + content[place + 1 :]
    starts = [0, *ends[:-1]]
    hit = max(start for start in starts if start <= place)
    if hit < starts[-1] or committed_bytes > hit:
        with pytest.raises(LogDamagedError) as caught:
            parse(Path(FILE), damaged, committed_bytes)
        assert caught.value.offset == hit
        return
    contents = parse(Path(FILE), damaged, committed_bytes)  # the last record, on which no reserved tick depends
    assert (contents.end, contents.torn_bytes) == (hit, len(content) - hit)
    assert len(contents.bodies) == len(ends) - 1


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@example(tail=bytes(200))  # longer than the next record
@given(tail=st.binary(max_size=200))
def test_bytes_beyond_the_end_are_ignored_and_cut_off_before_the_next_record(
    tmp_path_factory: pytest.TempPathFactory, written: tuple[bytes, list[int]], tail: bytes
) -> None:
    state_dir = tmp_path_factory.mktemp("tail")
    (state_dir / FILE).write_bytes(written[0] + tail)
    with opened(state_dir) as journal:
        assert list(journal.records) == RECORDS
        assert journal.cut_bytes == len(tail)
        journal.append(record(9))
    with opened(state_dir) as journal:
        assert list(journal.records) == [*RECORDS, record(9)]
        assert journal.cut_bytes == 0


def test_every_cut_and_every_flipped_byte_of_a_sealed_journal_is_refused(
    tmp_path: Path, written: tuple[bytes, list[int]]
) -> None:
    content, ends = written
    for damaged in (*cuts(content), *(flipped for _place, flipped in flips(content, bits=1))):
        (tmp_path / FILE).write_bytes(damaged)
        with pytest.raises(LogDamagedError):
            Journal.open(tmp_path, RUN, ends[-1])
        assert (tmp_path / FILE).read_bytes() == damaged, "a refused journal is unchanged"


def test_damage_to_a_record_with_another_after_it_is_never_cut_off(
    tmp_path: Path, written: tuple[bytes, list[int]]
) -> None:
    content, ends = written
    for place, damaged in flips(content[: ends[-1]], bits=1):
        if place >= ends[-2]:
            break
        (tmp_path / FILE).write_bytes(damaged)
        with pytest.raises(LogDamagedError):
            Journal.open(tmp_path, RUN, 0)


def test_an_unfinished_record_is_cut_off_and_does_not_prevent_the_start(
    tmp_path: Path, written: tuple[bytes, list[int]]
) -> None:
    content, ends = written
    for length in range(ends[-2], ends[-1]):
        (tmp_path / FILE).write_bytes(content[:length])
        with opened(tmp_path, committed_bytes=ends[-2]) as journal:
            assert list(journal.records) == RECORDS[:-1]
            assert journal.cut_bytes == length - ends[-2]


def test_a_whole_record_at_a_wrong_offset_is_ignored(
    written: tuple[bytes, list[int]],
) -> None:
    content, ends = written
    moved = encode(ends[1], b"of another place")
    for tail in (moved, b"\x00" + moved):
        contents = parse(Path(FILE), content + tail, 0)
        assert (contents.end, contents.torn_bytes) == (len(content), len(tail))


def test_a_missing_journal_on_which_ticks_depend_is_detected(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=FILE):
        Journal.open(tmp_path, RUN, 100)


def test_a_journal_of_another_run_is_refused_with_the_difference(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        journal.append(RECORDS[0])
    other = Run()
    other.CopyFrom(RUN)
    other.seed = 8
    with pytest.raises(StartError, match=r"which differs from this one, .* in seed"):
        Journal.open(tmp_path, other, 0)


@pytest.mark.parametrize("content", [b"", b"x", b"\xf5\xffQJ", b"{}" * 100, encode(0, b"\xff\xff")])
def test_a_file_that_is_no_journal_is_refused_by_its_path(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(StartError, match=FILE):
        Journal.open(tmp_path, RUN, 0)


def test_a_journal_that_cannot_be_read_is_refused_by_its_path(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    with pytest.raises(StartError, match=f"{FILE} cannot be read: Is a directory"):
        Journal.open(tmp_path, RUN, 0)


def test_on_a_disk_full_from_the_start_the_first_record_is_written_once_there_is_space(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        with full_disk(10):
            for use in (lambda: journal.append(RECORDS[0]), journal.probe):
                with pytest.raises(OSError, match="File too large"):
                    use()
        assert journal.end == 0
        journal.append(RECORDS[1])
    with opened(tmp_path) as journal:
        assert list(journal.records) == [RECORDS[1]]


def test_a_closed_journal_accepts_no_record(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        pass
    with pytest.raises(OSError, match="closed"):
        journal.append(RECORDS[0])
    assert list(tmp_path.iterdir()) == []


def test_a_record_beyond_the_bounds_is_a_programming_error() -> None:
    for body in (b"", bytes(MAX_BODY_BYTES + 1)):
        with pytest.raises(ValueError, match="a record of"):
            encode(0, body)
    assert MAX_COMMANDS * MAX_BODY_BYTES < 2**40


# -- replay ------------------------------------------------------------------------------------------------------------


def test_a_journal_is_adopted_by_a_fresh_run_of_the_same_world_without_its_unfinished_tail(
    tmp_path: Path, written: tuple[bytes, list[int]]
) -> None:
    source, state_dir = tmp_path / "other.journal", tmp_path / "state"
    state_dir.mkdir()
    source.write_bytes(written[0] + b"torn")
    again = Run()
    again.CopyFrom(RUN)
    again.created.seconds = 77
    again.code_digest = "other code"
    for _time in range(2):
        adopt(source, state_dir, again)
    with opened(state_dir, run=again) as journal:
        assert (list(journal.records), journal.cut_bytes) == (RECORDS, 0)
        journal.append(record(9))
    adopt(source, state_dir, again)
    assert source.read_bytes() == written[0] + b"torn"


def test_a_journal_is_not_adopted_over_another_history(tmp_path: Path, written: tuple[bytes, list[int]]) -> None:
    source, state_dir = tmp_path / "other.journal", tmp_path / "state"
    state_dir.mkdir()
    source.write_bytes(written[0])
    with opened(state_dir) as journal:
        journal.append(record(9))
    with pytest.raises(StartError, match="holds a history of its own"):
        adopt(source, state_dir, RUN)


@pytest.mark.parametrize("field", ["run_id", "start_time", "scenario_digest"])
def test_a_journal_of_another_world_is_not_adopted(
    tmp_path: Path, written: tuple[bytes, list[int]], field: str
) -> None:
    source = tmp_path / "other.journal"
    source.write_bytes(written[0])
    other = Run()
    other.CopyFrom(RUN)
    other.ClearField(field)  # type: ignore[arg-type]
    with pytest.raises(StartError, match=f"in {field}"):
        adopt(source, tmp_path, other)
    with pytest.raises(StartError, match="no_such cannot be read"):
        adopt(tmp_path / "no_such", tmp_path, RUN)

"""The trace store is bounded, survives kills and damage, and is searched by every id in a span."""

import os
import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from cli.errors import CliError
from cli.views.trace.collector import store
from cli.views.trace.collector.store import DATABASE, StoreLimits, StoreUnavailableError, open_store
from cli.views.trace.span import SpanEvent, SpanLink
from cli.views.trace.viewer import reader
from cli.views.trace.viewer.reader import Found, open_traces
from trace_spans import MS, T0_NS, span, store_with, trace_id

EVENT_ID = "73b8576e-8455-5f1d-bdff-60519e3eb3c3"
MANY = StoreLimits()


def find(directory: Path, text: str) -> list[str]:
    with open_traces(directory) as traces:
        return list(traces.find(text).trace_ids)


def test_a_trace_is_read_back_as_it_was_stored(tmp_path: Path) -> None:
    spans = [
        span(1, attributes={"a": "x\ny", "b": 1.5, "c": ["d", {"e": None}]}),
        span(2, parent=1, at_ms=2, failed=True, status="no space", omitted=3, kind="producer"),
        span(3, parent=1, at_ms=3, events=(SpanEvent("retry", T0_NS, {"n": 1}),), links=(SpanLink("a1", "b2", {}),)),
    ]
    store_with(tmp_path, *spans).close()
    with open_traces(tmp_path) as traces:
        assert traces.trace(trace_id(1)) == spans
        assert traces.extent() == reader.Extent(3, T0_NS, T0_NS + 3 * MS)


def test_a_trace_is_found_by_any_id_in_a_span(tmp_path: Path) -> None:
    event = SpanEvent("retry", T0_NS, {"qiki.command_id": "command-9"})
    link = SpanLink("c" * 32, "d" * 16, {"qiki.frame_id": "frame-8"})
    attributes = {"messaging.message.id": EVENT_ID, "qiki.sequence": 7, "qiki.track_ids": ["track-1", "track-2"]}
    store_with(tmp_path, span(0xABCDEF, attributes=attributes, events=(event,), links=(link,)), span(2, trace=2))
    ids = (EVENT_ID, "7", "track-1", "track-2", "command-9", "frame-8", "c" * 32, f"{0xABCDEF:016x}", trace_id(1))
    for text in (*ids, EVENT_ID[:8], "track", trace_id(1).upper()):
        assert find(tmp_path, text) == [trace_id(1)], text
    for text in ("3b8576e", "rack-1", "8", f"x{EVENT_ID}", f"{EVENT_ID}x", "%", ""):
        assert find(tmp_path, text) == [], text


def test_an_id_as_a_whole_is_preferred_to_the_start_of_one(tmp_path: Path) -> None:
    whole, longer = span(1, trace=1, attributes={"id": "1234"}), span(2, trace=2, attributes={"id": "12345"})
    of_trace = replace(span(3), trace_id="1234" + "0" * 28)
    store_with(tmp_path, whole, longer, of_trace)
    assert find(tmp_path, "1234") == [trace_id(1)]
    assert find(tmp_path, "12340") == ["1234" + "0" * 28]
    assert find(tmp_path, "12345") == [trace_id(2)]
    assert find(tmp_path, "123") == [], "too short for the start of an id"


def test_the_newest_trace_with_an_id_comes_first_and_its_spans_are_named(tmp_path: Path) -> None:
    store_with(tmp_path, *(span(number, trace=number, attributes={"track": "T-5"}) for number in (1, 2, 3)), span(4))
    with open_traces(tmp_path) as traces:
        assert traces.find("T-5") == Found(
            (trace_id(3), trace_id(2), trace_id(1)),
            frozenset((trace_id(number), f"{number:016x}") for number in (1, 2, 3)),
        )


def test_the_same_export_again_stores_nothing_and_repeated_work_is_stored_again(tmp_path: Path) -> None:
    opened = open_store(tmp_path, MANY)
    assert opened.add([span(1), span(2)]) == 2
    assert opened.add([span(1), span(2), span(2, at_ms=90)]) == 1
    assert opened.spans == 3


def test_the_oldest_spans_are_deleted_beyond_the_number(tmp_path: Path) -> None:
    opened = store_with(tmp_path, *(span(n, trace=n) for n in range(1, 26)), limits=StoreLimits(spans=10))
    assert opened.spans == 10
    with open_traces(tmp_path) as traces:
        assert {each.trace_id for each in traces.newest(100)} == {trace_id(n) for n in range(16, 26)}


def test_the_oldest_spans_are_deleted_beyond_the_bytes_and_the_file_stays_bounded(tmp_path: Path) -> None:
    limits = StoreLimits(size_bytes=1_000_000)
    opened = open_store(tmp_path, limits)
    for start in range(1, 2_001, 20):
        opened.add([span(n, trace=n, attributes={"filling": "x" * 3_000}) for n in range(start, start + 20)])
        assert opened.size_bytes <= limits.size_bytes
    assert 50 < opened.spans < 200
    assert (tmp_path / DATABASE).stat().st_size <= store.HARD_LIMIT_FACTOR * limits.size_bytes
    assert find(tmp_path, trace_id(2_000)) == [trace_id(2_000)]
    assert find(tmp_path, trace_id(1)) == []
    opened.close()
    assert open_store(tmp_path, limits).spans == opened.spans


def test_an_export_beyond_the_hard_limit_is_refused_whole_and_the_next_is_stored(tmp_path: Path) -> None:
    opened = store_with(tmp_path, span(1, trace=1), limits=StoreLimits(size_bytes=200_000))
    huge = [span(n, trace=2, attributes={"filling": "x" * 4_000}) for n in range(2, 202)]
    with pytest.raises(StoreUnavailableError, match="full"):
        opened.add(huge)
    assert find(tmp_path, trace_id(2)) == []
    assert opened.add([span(300, trace=3)]) == 1
    assert find(tmp_path, trace_id(1)) == [trace_id(1)]


def test_an_error_in_the_middle_of_an_export_leaves_nothing_of_it(tmp_path: Path) -> None:
    opened = open_store(tmp_path, MANY)
    with pytest.raises(OverflowError):
        opened.add([span(1), replace(span(2), start_ns=2**63)])
    assert find(tmp_path, trace_id(1)) == []
    assert opened.add([span(1)]) == 1


def test_the_last_space_of_the_disk_is_left_to_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = open_store(tmp_path, MANY)
    monkeypatch.setattr(store, "MIN_FREE_BYTES", 2**62)
    with pytest.raises(StoreUnavailableError, match=f"traces leave {2**62}: free some space"):
        opened.add([span(1)])
    assert opened.spans == 0


KILLED = """
import sys
from pathlib import Path
from cli.views.trace.collector.store import StoreLimits, open_store
from trace_spans import span
opened = open_store(Path(sys.argv[1]), StoreLimits(spans=500))
for number in range(1, 1_000_000, 5):
    opened.add([span(each, trace=number) for each in range(number, number + 5)])
    print(number, flush=True)
"""


def test_after_a_kill_every_confirmed_export_is_there_whole(tmp_path: Path) -> None:
    path = os.pathsep.join(filter(None, ("tests", *sys.path)))
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": path}
    )
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) > 3_000:
            process.send_signal(signal.SIGKILL)
            break
    confirmed = int((["3001", *process.stdout.read().split()])[-1])
    process.wait()
    assert find(tmp_path, trace_id(confirmed)) == [trace_id(confirmed)], "a store is read without a collector too"
    opened = open_store(tmp_path, StoreLimits(spans=500))
    assert opened.spans == 500
    with open_traces(tmp_path) as traces:
        assert len(traces.trace(trace_id(confirmed))) == 5
        assert all(each.spans == 5 for each in traces.newest(1_000)), "an export is there whole or not at all"
    assert opened.add([span(1, trace=7)]) == 1


def test_a_damaged_file_or_one_of_another_layout_is_replaced_and_kept_beside(tmp_path: Path) -> None:
    for number, spoil in enumerate((_overwrite, _other_layout)):
        directory = tmp_path / str(number)
        store_with(directory, span(1)).close()
        spoil(directory / DATABASE)
        before = (directory / DATABASE).read_bytes()
        opened = open_store(directory, MANY)
        assert opened.add([span(2)]) == 1
        assert (directory / f"{DATABASE}.damaged").read_bytes() == before


def _overwrite(path: Path) -> None:
    path.write_bytes(b"no database" * 1_000)


def _other_layout(path: Path) -> None:
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 99")
    database.close()


def test_a_directory_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailableError, match="cannot be used"):
        open_store(tmp_path / "file" / "store", MANY)


def test_a_file_that_is_no_store_is_a_readable_error(tmp_path: Path) -> None:
    _overwrite(tmp_path / DATABASE)
    with pytest.raises(CliError, match="cannot be read"), open_traces(tmp_path):
        pass


def test_a_reader_sees_one_moment_while_spans_are_added(tmp_path: Path) -> None:
    opened = store_with(tmp_path, span(1))
    with open_traces(tmp_path) as traces:
        assert traces.extent().spans == 1
        opened.add([span(2, at_ms=5)])
        assert len(traces.trace(trace_id(1))) == 1
    with open_traces(tmp_path) as traces:
        assert len(traces.trace(trace_id(1))) == 2


def test_the_slowest_traces_of_a_time_are_those_from_first_start_to_last_end(tmp_path: Path) -> None:
    store_with(
        tmp_path,
        span(1, trace=1, at_ms=0, ms=500),
        span(2, trace=2, at_ms=1_000, ms=1),
        span(3, trace=2, at_ms=1_300, ms=2, service="bridge", failed=True),
        span(4, trace=3, at_ms=1_100, ms=250),
    )
    with open_traces(tmp_path) as traces:
        assert [each.trace_id for each in traces.slowest(9)] == [trace_id(1), trace_id(2), trace_id(3)]
        (slowest,) = traces.slowest(1, T0_NS + 1_000 * MS)
        assert [each.trace_id for each in traces.newest(2)] == [trace_id(3), trace_id(2)]
    assert (slowest.trace_id, slowest.duration_ns, slowest.spans) == (trace_id(2), 302 * MS, 2)
    assert (slowest.failed, slowest.root, slowest.services) == (1, "svc_sim work 2", ("svc_sim", "bridge"))


def test_ids_close_to_a_mistyped_one_are_suggested(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "CANDIDATE_SPANS", 1)
    store_with(tmp_path, span(1, attributes={"messaging.message.id": EVENT_ID}), span(2))
    with open_traces(tmp_path) as traces:
        assert traces.close_to(EVENT_ID[:-1] + "4") == [EVENT_ID]
        assert traces.close_to("0" + EVENT_ID[1:]) == [EVENT_ID]
        assert traces.close_to("something else") == []

"""The index in files: selection as a full scan gives it, ids however many, and memory that stays the same."""

import random
from pathlib import Path

import pytest

from svc_registrar.domain.index import Entry, Matcher, Query
from svc_registrar.log import index as index_module
from svc_registrar.log.ids import IdFile
from svc_registrar.log.index import Index, Selection

COUNT = 3_000


def entries() -> list[Entry]:
    rng = random.Random(2)
    severities = [1 if number < 1_000 else rng.choice((1, 3)) for number in range(COUNT)]
    return [
        Entry(rng.randbytes(16), rng.choice((101, 601)), severity, "a" if number % 500 else "b")
        for number, severity in enumerate(severities)
    ]


ENTRIES = entries()
TIMES = [1_000 * number for number in range(1, COUNT + 1)]


def made(directory: Path, block_rows: int) -> Index:
    index = Index(directory / "index", block_rows)
    for start in range(0, COUNT, 700):
        part = slice(start, start + 700)
        index.write(ENTRIES[part], list(range(start, start + 700)), TIMES[part])
        index.count(ENTRIES[part])
    return index


def fits(entry: Entry, recorded_ns: int, query: Query) -> bool:
    return (
        (entry.code in query.codes or not query.codes)
        and query.min_code <= entry.code <= (query.max_code or 999)
        and entry.severity >= query.min_severity
        and (entry.reporter in query.reporters or not query.reporters)
        and (query.recorded_from_ns is None or recorded_ns >= query.recorded_from_ns)
        and (query.recorded_before_ns is None or recorded_ns < query.recorded_before_ns)
    )


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
        Query(min_code=102),
        Query(max_code=600),
        Query(min_code=102, max_code=600),
        Query(min_code=101, max_code=101, min_severity=3),
        Query(frozenset({601}), 3, frozenset({"a"}), 5_000, -(2**63)),
        Query(frozenset({601}), 3, frozenset({"a"}), 5_000, 2_900_000),
    ],
)
@pytest.mark.parametrize("block_rows", [7, 1_000, 4_096])
def test_the_selection_equals_that_of_a_full_scan(tmp_path: Path, query: Query, block_rows: int) -> None:
    index, matcher = made(tmp_path, block_rows), Matcher(query)
    wanted = [number for number in range(1, COUNT + 1) if fits(ENTRIES[number - 1], TIMES[number - 1], query)]
    assert [number for number in range(1, COUNT + 1) if index.accepts(number, matcher)] == wanted
    for again in (index, reopened(tmp_path, block_rows)):
        assert again.select(query, after=0, before=COUNT + 1, most=5_000, newest_first=False).indexes == wanted
        assert again.select(query, after=0, before=COUNT + 1, most=7, newest_first=True).indexes == wanted[::-1][:7]
        within = [number for number in wanted if 50 < number < 60]
        assert again.select(query, after=50, before=60, most=100, newest_first=False).indexes == within


def reopened(directory: Path, block_rows: int) -> Index:
    again = Index(directory / "index", block_rows)
    again.open(COUNT)
    return again


@pytest.mark.parametrize("newest_first", [False, True])
def test_a_search_ends_after_a_number_of_rows_and_goes_on_where_it_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, newest_first: bool
) -> None:
    monkeypatch.setattr(index_module, "MAX_ROWS_A_PAGE", 200)
    index, query = made(tmp_path, 100), Query(reporters=frozenset({"b"}))
    monkeypatch.setattr("svc_registrar.domain.index.Matcher.may_match", lambda _self, _block: True)
    wanted = [number for number in range(1, COUNT + 1) if ENTRIES[number - 1].reporter == "b"]
    found: list[int] = []
    after, before, pages = 0, COUNT + 1, 0
    page = Selection([], 0, complete=False)
    while not page.complete:
        page = index.select(query, after=after, before=before, most=1_000, newest_first=newest_first)
        found += page.indexes
        after, before = (0, page.covered) if newest_first else (page.covered, COUNT + 1)
        pages += 1
    assert found == (wanted[::-1] if newest_first else wanted)
    assert pages == COUNT // 200


def test_blocks_that_hold_no_match_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index, read = made(tmp_path, 100), []
    monkeypatch.setattr(index, "_read", lambda first, end: read.append((first, end)))
    found = index.select(Query(codes=frozenset({999})), after=0, before=COUNT + 1, most=10, newest_first=False)
    assert (found, read) == (Selection([], 0, complete=True), [])


def test_an_id_is_found_whatever_the_number_of_later_ones_and_after_a_restart(tmp_path: Path) -> None:
    rng = random.Random(1)
    hashes = [rng.getrandbits(64) for _number in range(10_500)]
    hashes[7_000] = hashes[6_999]  # two ids of one hash
    ids = IdFile(tmp_path / "ids", newest=1_000)
    for index, id_hash in enumerate(hashes, 1):
        ids.add(id_hash, index)
        if index % 300 == 0:
            ids.settle()
    for again in (ids, IdFile(tmp_path / "ids", newest=1_000)):
        if again is not ids:
            assert again.open(10_500) == 10_000
            for index in range(10_001, 10_501):
                again.add(hashes[index - 1], index)
        for index in [*rng.sample(range(1, 6_999), 500), 10_000, 10_001, 10_500]:
            assert list(again.candidates(hashes[index - 1])) == [index]
        assert 7_001 in list(again.candidates(hashes[7_000]))
        assert [list(again.candidates(rng.getrandbits(64))) for _number in range(100)] == [[]] * 100


def test_ids_far_from_their_expected_place_are_found_too(tmp_path: Path) -> None:
    ids = IdFile(tmp_path / "ids", newest=4_000)
    for index in range(1, 4_001):
        ids.add(index, index)  # hashes that are not uniform at all
    ids.settle()
    assert [list(ids.candidates(number)) for number in (1, 2_000, 4_000, 2**63)] == [[1], [2_000], [4_000], []]

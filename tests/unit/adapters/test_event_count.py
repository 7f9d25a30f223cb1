"""Event counts of a subject: complete, missing, repeated and reordered events, by run."""

from collections.abc import Iterable

import pytest

from adapters.jetstream.codec.cloudevents import HeaderError
from adapters.jetstream.verify.count import Counter, RunTally, SubjectTally

SUBJECT = "qiki.sim.v1.sensors"


def count(*events: tuple[str, Iterable[int]]) -> SubjectTally:
    counter = Counter(SUBJECT)
    for run, sequences in events:
        for sequence in sequences:
            counter.add({"ce-id": f"{run}-{sequence}", "ce-run": run, "ce-sequence": f"{sequence:020}"})
    return counter.result()


def test_an_empty_subject_has_no_runs() -> None:
    assert count() == SubjectTally(SUBJECT, contiguous=True, runs=())
    assert count().messages == 0


def test_a_complete_run_is_contiguous_from_its_first_to_its_last_sequence() -> None:
    assert count(("a", range(3, 11))) == SubjectTally(SUBJECT, True, (RunTally("a", 8, 8, 3, 10, True),))


@pytest.mark.parametrize(
    ("sequences", "distinct"),
    [
        pytest.param([1, 2, 5, 6], 4, id="a gap"),
        pytest.param([1, 2, 2, 3], 3, id="a duplicate"),
        pytest.param([1, 3, 2, 4], 4, id="out of order"),
    ],
)
def test_missing_repeated_and_reordered_events_are_not_contiguous(sequences: list[int], distinct: int) -> None:
    counted = count(("a", sequences))
    assert not counted.contiguous
    assert (counted.messages, counted.runs[0].distinct_ids) == (4, distinct)


def test_a_new_run_starts_at_sequence_1_and_is_counted_separately() -> None:
    counted = count(("a", [1, 2, 3]), ("b", [1, 2]))
    assert [(run.run_id, run.messages, run.last_sequence) for run in counted.runs] == [("a", 3, 3), ("b", 2, 2)]
    assert (counted.contiguous, counted.messages) == (True, 5)


def test_interleaved_runs_are_not_contiguous() -> None:
    counted = count(("a", [1]), ("b", [1]), ("a", [2]))
    assert not counted.contiguous
    assert all(run.contiguous for run in counted.runs)


@pytest.mark.parametrize("missing", ["ce-id", "ce-run", "ce-sequence"])
def test_a_foreign_message_is_refused_with_the_missing_header(missing: str) -> None:
    headers = {"ce-id": "1", "ce-run": "a", "ce-sequence": f"{1:020}"}
    with pytest.raises(HeaderError) as refused:
        Counter(SUBJECT).add({name: value for name, value in headers.items() if name != missing})
    assert refused.value.header == missing

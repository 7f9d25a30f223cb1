from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pytest

from mesh.feeds.event_spans import HOLD_S, MAX_HELD, EventSpans, Made
from mesh.feeds.store import Entry


@dataclass
class Recorder:
    """Stands for the exporter's side: what is recorded, in order."""

    recorded: list[tuple[int, bool]] = field(default_factory=list)
    ends_ns: list[int] = field(default_factory=list)
    recording: bool = True

    def record(
        self,
        _name: str,
        _own: str,
        _cause: str,
        times_ns: tuple[int, int],
        attributes: Mapping[str, int],
        *,
        recomputed: bool,
        notes: object,
    ) -> None:
        self.recorded.append((attributes["qiki.sequence"], recomputed))
        self.ends_ns.append(times_ns[1])


@dataclass
class Timer:
    """The calls that are due later."""

    calls: list[tuple[float, Callable[[], None]]] = field(default_factory=list)

    def __call__(self, delay_s: float, call: Callable[[], None]) -> None:
        self.calls.append((delay_s, call))


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


def spans(recorder: Recorder, *readers: str, timer: Timer | None = None) -> EventSpans:
    return EventSpans(recorder, "frames", readers, timer or Timer())  # type: ignore[arg-type]


SAMPLED = f"00-{1:032x}-{1:016x}-01"
UNSAMPLED = f"00-{2:032x}-{2:016x}-00"


def made(sequence: int, recomputed: bool | None = None, trace: str = SAMPLED) -> Made:
    return Made(Entry(sequence, sequence, b"", "", b""), f"id-{sequence}", "run", trace, "cause", 0, 1, 0, recomputed)


def record(own: EventSpans, *sequences: int) -> None:
    for sequence in sequences:
        own.record(made(sequence))


def test_spans_wait_for_all_required_readers(recorder: Recorder) -> None:
    own = spans(recorder, "bridge", "tracker")
    record(own, 1, 2)
    own.opened("bridge", 0)
    assert recorder.recorded == []
    own.opened("tracker", 0)
    assert recorder.recorded == [(1, False), (2, False)]
    record(own, 3)
    assert recorder.recorded[-1] == (3, False), "from now on at once"


def test_events_up_to_a_token_never_sent_by_this_process_are_recomputed(recorder: Recorder) -> None:
    own = spans(recorder, "bridge")
    record(own, 1, 2, 3)
    own.opened("bridge", 2)
    assert recorder.recorded == [(1, True), (2, True), (3, False)]


def test_a_confirmation_beyond_what_this_process_has_sent_counts_as_well(recorder: Recorder) -> None:
    own = spans(recorder, "bridge")
    record(own, 1, 2, 3)
    own.presented(3)
    own.opened("bridge", 0)
    assert recorder.recorded == [(1, True), (2, True), (3, True)]


def test_a_required_readers_first_token_counts_whatever_others_were_sent_before(recorder: Recorder) -> None:
    own = spans(recorder, "bridge", "tracker")
    record(own, 1, 2, 3)
    own.opened("bridge", 1)
    own.sent(3)
    own.opened("tracker", 2)
    assert recorder.recorded == [(1, True), (2, True), (3, False)]


def test_events_computed_after_the_reader_came_back_are_recomputed_up_to_its_token(recorder: Recorder) -> None:
    own = spans(recorder, "bridge")
    own.opened("bridge", 5)
    record(own, 4, 5, 6)
    assert recorder.recorded == [(4, True), (5, True), (6, False)]


def test_a_token_of_an_event_that_this_process_has_sent_proves_nothing(recorder: Recorder) -> None:
    own = spans(recorder, "bridge", "tracker")
    record(own, 1, 2)
    own.opened("bridge", 0)
    own.sent(2)
    own.presented(2)
    own.opened("bridge", 2)
    own.opened("tracker", 0)
    assert recorder.recorded == [(1, False), (2, False)]


def test_a_reader_that_stays_away_is_not_waited_for_without_end(recorder: Recorder) -> None:
    timer = Timer()
    own = spans(recorder, "bridge", timer=timer)
    record(own, 1, 2)
    ((delay_s, release),) = timer.calls
    assert (delay_s, recorder.recorded) == (HOLD_S, [])
    release()
    assert [sequence for sequence, _recomputed in recorder.recorded] == [1, 2]


def test_the_number_of_held_spans_is_bounded(recorder: Recorder) -> None:
    own = spans(recorder, "bridge")
    record(own, *range(1, MAX_HELD))
    assert recorder.recorded == []
    record(own, MAX_HELD)
    assert len(recorder.recorded) == MAX_HELD


def test_a_held_span_ends_when_its_event_was_made(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    own = spans(recorder, "bridge")
    times = iter((100, 200))
    monkeypatch.setattr("mesh.feeds.event_spans.time.time_ns", lambda: next(times))
    record(own, 1, 2)
    own.opened("bridge", 0)
    assert recorder.ends_ns == [100, 200]


def test_a_producer_that_knows_is_believed_at_once(recorder: Recorder) -> None:
    own = spans(recorder, "bridge")
    own.record(made(1, recomputed=True))
    own.record(made(2, recomputed=False))
    assert recorder.recorded == [(1, True), (2, False)]


def test_nothing_is_held_where_nothing_is_recorded() -> None:
    recorder = Recorder(recording=False)
    own = spans(recorder, "bridge")
    record(own, 1)
    recorder.recording = True
    own.release()
    assert recorder.recorded == []


def test_an_event_that_is_not_sampled_waits_for_nobody_and_is_not_recorded(recorder: Recorder) -> None:
    timer = Timer()
    own = spans(recorder, "bridge", timer=timer)
    own.record(made(1, trace=UNSAMPLED))
    own.record(made(2, recomputed=True, trace=UNSAMPLED))
    assert timer.calls == [], "no timer for what will never be a span"
    own.release()
    assert recorder.recorded == []

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from mesh.feeds.ring import Mark, Retention, Ring
from mesh.feeds.store import Entry
from mesh.feeds.token import NO_EVENT

MANY = Retention(10**18, 10**9)


def entry(sequence: int, time_ns: int, size_bytes: int = 10) -> Entry:
    return Entry(sequence, time_ns, (sequence % 2**64).to_bytes(8, "big"), "", bytes(size_bytes))


def ring_of(*entries: Entry, retention: Retention = MANY) -> Ring:
    ring = Ring(retention)
    ring.begin(0)
    for each in entries:
        ring.append(each)
    return ring


@dataclass
class Model:
    """All entries ever appended, and the index of the first one kept."""

    retention: Retention
    begun_ns: int
    entries: list[Entry] = field(default_factory=list)
    kept_from: int = 0

    def append(self, new: Entry) -> None:
        self.entries.append(new)
        while self.kept_from < len(self.entries) - 1:
            kept = self.entries[self.kept_from :]
            too_old = new.time_ns - kept[0].time_ns > self.retention.time_ns
            if not too_old and sum(len(each.response) for each in kept) <= self.retention.size_bytes:
                break
            self.kept_from += 1

    @property
    def kept(self) -> list[Entry]:
        return self.entries[self.kept_from :]

    def mark(self, index: int) -> Mark:
        """Return the mark of a kept entry, or of the last one before the kept entries."""
        if index < 0:
            first = self.entries[0] if self.entries else None
            return Mark(first.time_ns if first and first.sequence > 1 else self.begun_ns, 0)
        return Mark(self.entries[index].time_ns, sum(len(each.response) for each in self.entries[: index + 1]))


class RingMachine(RuleBasedStateMachine):
    """A ring compared with a plain list."""

    @initialize(
        first=st.integers(1, 50),
        begun_ns=st.integers(0, 100),
        time_ns=st.integers(0, 100),
        size_bytes=st.integers(0, 100),
    )
    def begin(self, first: int, begun_ns: int, time_ns: int, size_bytes: int) -> None:
        self.first = first
        self.ring = Ring(Retention(time_ns, size_bytes))
        self.ring.begin(begun_ns)
        self.model = Model(Retention(time_ns, size_bytes), begun_ns)
        self.now_ns = begun_ns

    @rule(later_ns=st.integers(0, 60), size_bytes=st.integers(0, 60))
    def append(self, later_ns: int, size_bytes: int) -> None:
        self.now_ns += later_ns
        new = entry(self.first + len(self.model.entries), self.now_ns, size_bytes)
        self.ring.append(new)
        self.model.append(new)

    @rule(off=st.integers(-3, 3).filter(lambda off: off != 1))
    def a_gap_is_refused_and_changes_nothing(self, off: int) -> None:
        if self.model.entries:
            with pytest.raises(ValueError, match="does not follow"):
                self.ring.append(entry(self.ring.last_sequence + off, self.now_ns))

    @invariant()
    def the_ring_keeps_what_the_model_keeps(self) -> None:
        kept, ring = self.model.kept, self.ring
        last = self.model.entries[-1].sequence if self.model.entries else 0
        assert ring.last_sequence == last
        assert ring.first_sequence == (self.first if self.model.entries else 0)
        assert ring.oldest_sequence == (kept[0].sequence if kept else 1)
        assert ring.size_bytes == sum(len(each.response) for each in kept)
        for each in kept:
            assert ring.get(each.sequence) == each
            assert ring.digest_at(each.sequence) == each.digest
        for sequence in (0, ring.oldest_sequence - 1, last + 1):
            assert ring.get(sequence) is None

    @invariant()
    def the_digest_before_the_oldest_is_known_where_it_ever_was(self) -> None:
        model, before = self.model, self.ring.oldest_sequence - 1
        if before > 0 and model.kept_from > 0:
            assert self.ring.digest_at(before) == model.entries[model.kept_from - 1].digest
            assert self.ring.digest_at(before - 1) == (NO_EVENT if before == 1 else None)
        elif before > 0:
            assert self.ring.digest_at(before) is None
        assert self.ring.digest_at(0) == NO_EVENT

    @invariant()
    def marks_say_how_far_a_place_lies(self) -> None:
        model, ring = self.model, self.ring
        before = model.mark(model.kept_from - 1)
        for sequence in range(ring.oldest_sequence):
            assert ring.mark(sequence) == before
        for index in range(model.kept_from, len(model.entries)):
            assert ring.mark(model.entries[index].sequence) == model.mark(index)
        assert ring.mark(ring.last_sequence + 5) == ring.mark(ring.last_sequence)


TestRingMachine = RingMachine.TestCase
TestRingMachine.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)


def test_events_older_than_the_retention_are_evicted() -> None:
    ring = ring_of(entry(1, 0), entry(2, 60), entry(3, 100), retention=Retention(100, 10**6))
    assert ring.oldest_sequence == 1
    ring.append(entry(4, 101))
    assert ring.oldest_sequence == 2


def test_events_beyond_the_retained_bytes_are_evicted_oldest_first() -> None:
    ring = ring_of(entry(1, 0, 40), entry(2, 1, 40), entry(3, 2, 20), retention=Retention(10**9, 100))
    assert (ring.oldest_sequence, ring.size_bytes) == (1, 100)
    ring.append(entry(4, 3, 1))
    assert (ring.oldest_sequence, ring.size_bytes) == (2, 61)


def test_an_event_kept_in_two_layouts_counts_with_both_sizes() -> None:
    ring = ring_of(entry(1, 1), retention=Retention(10**18, 50))
    ring.append(replace(entry(2, 2), columns=bytes(30)))
    assert ring.size_bytes == 50
    ring.append(entry(3, 3))
    assert (ring.oldest_sequence, ring.size_bytes, ring.mark(3).end_bytes) == (2, 50, 60)


def test_the_newest_event_is_kept_however_large_it_is() -> None:
    ring = ring_of(entry(1, 0, 10), entry(2, 1, 1_000), retention=Retention(0, 100))
    assert (ring.oldest_sequence, ring.last_sequence, ring.size_bytes) == (2, 2, 1_000)


def test_a_replayed_feed_may_start_with_a_later_event_and_knows_nothing_before_it() -> None:
    ring = ring_of(entry(100, 5_000))
    assert (ring.first_sequence, ring.oldest_sequence, ring.last_sequence) == (100, 100, 100)
    assert ring.digest_at(99) is None
    assert ring.mark(7) == ring.mark(99) == Mark(5_000, 0)


def test_an_empty_ring_is_positioned_before_event_1() -> None:
    ring = ring_of()
    assert (ring.oldest_sequence, ring.last_sequence, ring.size_bytes) == (1, 0, 0)
    assert ring.digest_at(0) == NO_EVENT
    assert ring.get(0) is ring.get(1) is None


@given(st.lists(st.integers(0, 50), max_size=30))
def test_a_ring_with_zero_retention_holds_only_the_events_of_the_newest_time(steps_ns: list[int]) -> None:
    ring, now_ns = ring_of(retention=Retention(0, 10**9)), 0
    for sequence, step_ns in enumerate(steps_ns, start=1):
        now_ns += step_ns
        ring.append(entry(sequence, now_ns))
        oldest = ring.get(ring.oldest_sequence)
        assert oldest is not None
        assert oldest.time_ns == now_ns

"""The contract of an event store, which every implementation fulfils."""

from mesh.feeds.store import EventStore
from mesh.feeds.token import NO_EVENT


async def check_contract(store: EventStore, oldest: int, last: int) -> None:
    """Check a store that keeps the events from `oldest` to `last`, of one or more."""
    assert (store.oldest_sequence, store.last_sequence) == (oldest, last)
    assert 1 <= store.first_sequence <= oldest
    assert store.size_bytes > 0
    newest = store.get(last)
    assert newest is not None
    assert store.digest_at(last) == newest.digest, "the last event is at hand at any time"
    store.digest_at(oldest - 1)
    for sequence in (*range(last, oldest - 1, -1), *range(oldest, last + 1)):
        await store.load(sequence)
        for number in (sequence, sequence + 1):
            entry = store.get(number)
            assert (entry and entry.sequence) == (number if number <= last else None)
            assert (entry and entry.digest) == store.digest_at(number)
    for unknown in (0, oldest - 1, last + 1, last + 1_000):
        await store.load(unknown)
        assert store.get(unknown) is None
    assert (store.digest_at(0), store.digest_at(last + 1)) == (NO_EVENT, None)

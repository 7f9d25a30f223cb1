"""State of the streams: feeds with their required readers, channels of the bridge, durables of JetStream."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from cli.views.top.model import metric_names as names
from cli.views.top.model.answer import Answer
from cli.views.top.model.services import STALE_S
from cli.views.top.model.trend import Trend, push, rate

_CHAIN: Final = ("world", "sensors", "frames", "tracks", "guard", "audit")


@dataclass(frozen=True, slots=True)
class ReaderState:
    """A required reader of a feed: its lag in events behind the last sequence, and for how long it blocks."""

    name: str
    lag: float | None
    blocked_s: float | None


@dataclass(frozen=True, slots=True)
class FeedState:
    """One feed of one service, as of `at_s`. Times are seconds on the monotonic clock; None is unknown.

    `newest_s` is the time at which its last event was noticed; `newest_exact` is false where it is older than the view.
    """

    name: str
    service: str
    at_s: float
    sequence: float
    events_per_s: float | None
    newest_s: float
    newest_exact: bool
    readers: tuple[ReaderState, ...]

    @property
    def blocked_by(self) -> ReaderState | None:
        """The required reader that the producer waits for."""
        return next((reader for reader in self.readers if reader.blocked_s), None)

    def is_stale(self, now_s: float) -> bool:
        """Return whether the values are too old to be taken as present."""
        return now_s - self.at_s > STALE_S


@dataclass(frozen=True, slots=True)
class DurableState:
    """One durable consumer of JetStream, as of `at_s`, in messages and seconds; None is unknown."""

    stream: str
    name: str
    at_s: float
    lag: float
    ack_pending: float | None
    redelivered: float | None
    oldest_age_s: float | None

    def is_stale(self, now_s: float) -> bool:
        """Return whether the values are too old to be taken as present."""
        return now_s - self.at_s > STALE_S


def in_order(feeds: Iterable[FeedState]) -> list[FeedState]:
    """Return the feeds in the order of the chain, and further ones by name."""
    return sorted(feeds, key=lambda feed: (_CHAIN.index(feed.name) if feed.name in _CHAIN else len(_CHAIN), feed.name))


def feed_trends(trends: Mapping[str, Trend], answer: Answer) -> dict[str, Trend]:
    """Return the trends with the sequences and lags of one answer."""
    found, metrics = dict(trends), answer.metrics
    if metrics is None:
        return found
    for feed, sequence in metrics.by(names.FEED_EVENTS, "feed").items():
        found = push(found, f"feed:{feed}", answer.at_s, sequence, counter=True)
    for channel, waiting in metrics.by(names.BRIDGE_WAITING, "channel").items():
        found = push(found, f"waiting:{channel}", answer.at_s, waiting, counter=False)
    for (stream, durable), lag in metrics.by_two(names.DURABLE_LAG, "stream", "consumer").items():
        found = push(found, f"lag:{stream}/{durable}", answer.at_s, lag, counter=False)
    return found


def next_feeds(before: tuple[FeedState, ...], answer: Answer, trends: Mapping[str, Trend]) -> tuple[FeedState, ...]:
    """Return the feeds after an answer: those of its service replaced, unless it gave no metrics."""
    if answer.metrics is None:
        return before
    confirmed = answer.metrics.by_two(names.FEED_CONFIRMED, "feed", "reader")
    blocked = answer.metrics.by_two(names.FEED_BLOCKED_SECONDS, "feed", "reader")
    old = {feed.name: feed for feed in before if feed.service == answer.name}
    fresh = []
    for name, sequence in answer.metrics.by(names.FEED_EVENTS, "feed").items():
        readers = sorted({reader for feed, reader in (*confirmed, *blocked) if feed == name})
        states = tuple(
            ReaderState(reader, _lag(sequence, confirmed.get((name, reader))), blocked.get((name, reader)))
            for reader in readers
        )
        newest_s, exact = _newest(old.get(name), sequence, answer.at_s)
        per_s = rate(trends.get(f"feed:{name}", ()))
        fresh.append(FeedState(name, answer.name, answer.at_s, sequence, per_s, newest_s, exact, states))
    # A feed without a run is not exported: as long as the service has exported none, the old ones are kept as stale.
    kept = [feed for feed in before if feed.service != answer.name] if fresh else list(before)
    return (*kept, *fresh)


def next_durables(before: tuple[DurableState, ...], answer: Answer) -> tuple[DurableState, ...]:
    """Return the durables after an answer; those that the bridge no longer exports are kept as stale."""
    if answer.metrics is None:
        return before
    keys = ("stream", "consumer")
    pending = answer.metrics.by_two(names.DURABLE_ACK_PENDING, *keys)
    redelivered = answer.metrics.by_two(names.DURABLE_REDELIVERED, *keys)
    ages = answer.metrics.by_two(names.DURABLE_OLDEST_AGE, *keys)
    fresh = {
        key: DurableState(*key, answer.at_s, lag, pending.get(key), redelivered.get(key), ages.get(key))
        for key, lag in answer.metrics.by_two(names.DURABLE_LAG, *keys).items()
    }
    kept = {(durable.stream, durable.name): durable for durable in before}
    return tuple((kept | fresh)[key] for key in sorted(kept | fresh))


def _newest(old: FeedState | None, sequence: float, at_s: float) -> tuple[float, bool]:
    if old is None:
        return at_s, False
    return (old.newest_s, old.newest_exact) if old.sequence == sequence else (at_s, True)


def _lag(sequence: float, confirmed: float | None) -> float | None:
    return None if confirmed is None else max(0.0, sequence - confirmed)

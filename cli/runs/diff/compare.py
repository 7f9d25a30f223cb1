"""Comparison of one feed of two runs: its first differing event."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from google.protobuf import descriptor_pool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from adapters.jetstream.codec.stored_event import StoredEvent
from botspec.channels import Channel
from cli.runs.diff.archived_run import RunFeed
from cli.runs.diff.sameness import Difference, Sameness

# Producers in the order of cause and effect; a package that is not listed comes last.
_PRODUCERS: Final = ("qiki.sim.v1", "qiki.radar.v1", "qiki.tracker.v1")


@dataclass(frozen=True, slots=True)
class Divergence:
    """The first differing event of a feed: its sequence, time in the first run, both events, and the differing fields.

    An event that is None is not there; then there are no fields.
    """

    channel: Channel
    sequence: int
    time_ns: int
    first: StoredEvent | None
    second: StoredEvent | None
    fields: tuple[Difference, ...]


@dataclass(frozen=True, slots=True)
class FeedComparison:
    """A feed of two runs: events compared and equal, events that one of them no longer keeps, first difference."""

    channel: Channel
    equal: int
    trimmed: int
    divergence: Divergence | None


def causal_order(channels: Sequence[Channel]) -> list[Channel]:
    """Return the derived channels, producers before those that read them; within one producer as declared."""
    derived = [channel for channel in channels if channel.policy == "derived"]
    return sorted(derived, key=lambda channel: _rank(channel.rpc.partition("/")[0].rpartition(".")[0]))


async def compare_feed(channel: Channel, first: RunFeed, second: RunFeed, same: Sameness) -> FeedComparison:
    """Compare a feed from the first sequence that both runs keep, up to the first difference.

    Raises:
        CannotCompareError, MeshError, NotABridgesError: an event cannot be read.
    """
    trimmed = max(first.trimmed, second.trimmed)
    sequence = trimmed
    while True:  # bounded by the archived events
        one, other = await _next_after(first, sequence), await _next_after(second, sequence)
        if one is None and other is None:
            return FeedComparison(channel, sequence - trimmed, trimmed, None)
        fields = _differing_fields(channel, one, other, same)
        if fields is not None:
            time_ns = one.time_ns if one else other.time_ns - same.shift_ns if other else 0
            divergence = Divergence(channel, sequence + 1, time_ns, one, other, fields)
            return FeedComparison(channel, sequence - trimmed, trimmed, divergence)
        sequence += 1


def _differing_fields(
    channel: Channel, first: StoredEvent | None, second: StoredEvent | None, same: Sameness
) -> tuple[Difference, ...] | None:
    """Return the fields in which two events differ, none where one is not there; None for events that are the same."""
    if first is None or second is None:
        return ()
    if first.payload == second.payload:
        return None
    found = same.differences(payload_of(channel, first), payload_of(channel, second))
    if not found and first.context.run_id != second.context.run_id:
        return None
    return tuple(found)


def payload_of(channel: Channel, event: StoredEvent) -> Message:
    """Return an event's payload. Raises protobuf's DecodeError."""
    payload_type = GetMessageClass(descriptor_pool.Default().FindMessageTypeByName(channel.type))
    return payload_type.FromString(event.payload)


async def _next_after(feed: RunFeed, sequence: int) -> StoredEvent | None:
    """Return the feed's next event after a sequence: the other run may keep fewer of its first ones."""
    while (event := await feed.next()) is not None and event.sequence <= sequence:
        pass
    return event


def _rank(package: str) -> int:
    return _PRODUCERS.index(package) if package in _PRODUCERS else len(_PRODUCERS)

"""Resumption of a channel: decided from the subject's tail and the run that the source serves. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from google.protobuf.timestamp_pb2 import Timestamp

from adapters.jetstream.codec.cloudevents import HeaderError, from_headers
from qiki.common.v1.stream_pb2 import Run


class ChannelStopped(Exception):  # noqa: N818 (named for what happened)
    """The channel cannot continue by itself; `reason` is the API's word for the cause, and an operator must decide."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Position:
    """The position of a subject's last message: its stream sequence, 0 for none, and its event's resume token."""

    stream_sequence: int
    resume_token: str


@dataclass(frozen=True, slots=True)
class Start:
    """The start of a stream: after `resume_token`, or from the oldest event where it is empty.

    The next event must have the sequence `next_sequence`. `expected_last` is the stream sequence of the subject's tail,
    0 for none. `fresh`: a first event beyond `next_sequence` is reported as a gap and does not stop the channel.
    """

    resume_token: str
    next_sequence: int
    expected_last: int
    fresh: bool


def decide(tail_headers: Mapping[str, str] | None, tail_sequence: int, stream_used: bool, run: Run) -> Start:
    """Decide where to resume.

    An empty subject starts at the run's first event. After a tail of this run, the run resumes. After a tail of an
    older run, this run starts at its first event.

    Raises:
        ChannelStopped: the tail is of a later run (RUN_SUPERSEDED), or not a bridge's message (FOREIGN_TAIL).
    """
    if tail_headers is None:
        return Start("", 1, 0, fresh=not stream_used)
    try:
        tail = from_headers(tail_headers)
    except HeaderError as error:
        raise ChannelStopped("FOREIGN_TAIL", f"the subject's last message is not a bridge's: {error}") from error
    context = tail.context
    if context.run_id == run.run_id:
        return Start(tail.resume_token, context.sequence + 1, tail_sequence, fresh=False)
    if context.run_created.ToNanoseconds() < run.created.ToNanoseconds():
        return Start("", 1, tail_sequence, fresh=True)
    raise ChannelStopped("RUN_SUPERSEDED", _superseded(context.run_id, context.run_created, run))


def check_first(start: Start, sequence: int) -> int:
    """Return how many events are missing before the first one received: 0, or a gap to report.

    Raises:
        ChannelStopped: events are missing from a stream that was used before (CURSOR_LOST).
    """
    missing = sequence - start.next_sequence
    if missing == 0:
        return 0
    if missing < 0 or not start.fresh:
        raise ChannelStopped(
            "CURSOR_LOST", f"the next event should be {start.next_sequence}, the source's is {sequence}"
        )
    return missing


def check_next(previous: int, sequence: int) -> None:
    """Check that an event follows the one before it.

    Raises:
        ChannelStopped: it does not (NOT_CONTIGUOUS).
    """
    if sequence != previous + 1:
        raise ChannelStopped(
            "NOT_CONTIGUOUS",
            f"the source sent event {sequence} after event {previous}: its stream must be contiguous, so no event from "
            f"{sequence} on is stored; restart the source, then the bridge",
        )


def count_stored(tail: Position, known: Position, waiting: Sequence[str]) -> int | None:
    """Return how many of the waiting events are stored after the known position, according to the subject's tail.

    `waiting` are the events' resume tokens, oldest first. None: the tail is neither the known one nor one of theirs.
    """
    if tail == known:
        return 0
    return waiting.index(tail.resume_token) + 1 if tail.resume_token in waiting else None


def _superseded(other_id: str, other_created: Timestamp, run: Run) -> str:
    return (
        f"the subject already holds run {other_id}, created {other_created.ToJsonString()}, which is later than the "
        f"source's run {run.run_id}, created {run.created.ToJsonString()}. If the source is the older one, end it. If "
        f"the other run was made while a clock was ahead, delete its messages with `qiki nats drop-run {other_id}`, "
        "then restart the bridge"
    )

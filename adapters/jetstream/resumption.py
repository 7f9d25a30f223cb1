"""Where a channel goes on: decided from the subject's tail and the run that the source serves. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from adapters.jetstream.cloudevents import HeaderError, from_headers
from qiki.common.v1.stream_pb2 import Run


class ChannelStopped(Exception):  # noqa: N818 (named for what happened)
    """The channel cannot go on by itself; `reason` is the API's word for why, and an operator decides."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Start:
    """Where to open the stream: after `resume_token`, or from the oldest event where it is empty.

    The next event is to have the sequence `next_sequence`. `expected_last` is the stream sequence of the subject's
    tail, 0 for none. `fresh` says that a first event beyond `next_sequence` is a gap to be told, and not to stop at.
    """

    resume_token: str
    next_sequence: int
    expected_last: int
    fresh: bool


def decide(tail_headers: Mapping[str, str] | None, tail_sequence: int, stream_used: bool, run: Run) -> Start:
    """Return where to go on.

    An empty subject starts at the run's first event; a tail of this run is resumed after; a tail of an older run is
    followed by this run's beginning.

    Raises:
        ChannelStopped: the tail is of a later run (RUN_SUPERSEDED), or is no message of a bridge (FOREIGN_TAIL).
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
    raise ChannelStopped(
        "RUN_SUPERSEDED", f"the subject already holds the later run {context.run_id}, not {run.run_id}"
    )


def check_first(start: Start, sequence: int) -> int:
    """Return how many events are missing before the first one that came: 0, or a gap that must be told.

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

"""Report of a comparison: a line a feed, then the first differing event with its digests, fields and inputs."""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Final

from adapters.jetstream.codec.stored_event import StoredEvent
from cli.runs.diff.archived_run import ArchivedRun
from cli.runs.diff.compare import Divergence, FeedComparison
from cli.runs.diff.inputs import InputPair

MAX_FIELDS: Final = 20
DIGEST_CHARACTERS: Final = 16
ABSENT: Final = "not there"


def feed_lines(found: Sequence[FeedComparison]) -> Iterator[str]:
    """Yield a line for each feed."""
    width = max((len(each.channel.name) for each in found), default=0)
    for each in found:
        text = f"{each.equal} events equal"
        if each.divergence is not None:
            text += f", event {each.divergence.sequence} differs"
        if each.trimmed:
            text += f" (the first {each.trimmed} are no longer archived, and were not compared)"
        yield f"{each.channel.name:{width}}  {text}"


def divergence_lines(found: Divergence, start_s: str) -> Iterator[str]:
    """Yield the first differing event: its place, both digests, and its differing fields."""
    yield f"The first differing event: {found.channel.name} {found.sequence}, {start_s} after the start"
    yield from _table(
        [("", "first", "second"), ("sha256", _digest(found.first), _digest(found.second)), *_fields(found)]
    )


def input_lines(pairs: Sequence[InputPair]) -> Iterator[str]:
    """Yield the inputs of the event, each with both digests."""
    for pair in pairs:
        one, other = pair.first, pair.second
        sequence = next((event.sequence for event in (one, other) if event is not None), 0)
        yield from _table([(f"its input, {pair.channel.name} {sequence}", _digest(one), _digest(other))])


def run_lines(runs: Sequence[ArchivedRun], differing: Sequence[tuple[str, str, str]] | None) -> Iterator[str]:
    """Yield the inputs of the runs that differ; None where they are not known."""
    if differing is None:
        yield "The runs' own inputs are not known: give state directories to compare them."
    elif not differing:
        yield "The runs' own inputs are the same: scenario, BotSpec, seed, code, platform, start and commands."
    else:
        yield "The runs' own inputs that differ:"
        yield from _table([("", "first", "second"), *differing])
    for label, run in zip(("first ", "second"), runs, strict=True):
        yield f"{label}  {run.name.place}  run {run.run_id}"


def _fields(found: Divergence) -> Iterator[tuple[str, str, str]]:
    if found.first is not None and found.second is not None and not found.fields:
        yield "bytes", "the same fields", "in other bytes"
    yield from found.fields[:MAX_FIELDS]
    if len(found.fields) > MAX_FIELDS:
        yield f"and {len(found.fields) - MAX_FIELDS} more fields", "", ""


def _digest(event: StoredEvent | None) -> str:
    return ABSENT if event is None else hashlib.sha256(event.payload).hexdigest()[:DIGEST_CHARACTERS]


def _table(rows: Sequence[tuple[str, str, str]]) -> Iterator[str]:
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    for name, one, other in rows:
        yield f"  {name:{widths[0]}}  {one:{widths[1]}}  {other}".rstrip()

"""The streams: feeds with their required readers, and the durables of JetStream."""

from typing import Final

from rich.text import Text

from cli.views.top.model.feeds import DurableState, FeedState, ReaderState, in_order
from cli.views.top.snapshot import Snapshot
from cli.views.top.views.table import Cell, Column, Row, table
from cli.views.top.views.text import DIM, FAIL, WARN, age, number

_FEEDS: Final = (
    *(Column("feed", 9), Column("of", 9), Column("ev/s", 7, True), Column("sequence", 9, True)),
    *(Column("newest", 8, True), Column("readers: events not confirmed", 0)),
)
_DURABLES: Final = (
    *(Column("durable", 17), Column("stream", 17), Column("lag", 7, True), Column("unacked", 7, True)),
    *(Column("again", 6, True), Column("oldest", 8, True), Column("", 0)),
)


def render(snapshot: Snapshot, width: int) -> list[Text]:
    """Return both tables; values that are no longer answered are dim, with their age."""
    now_s = snapshot.now_s
    feeds = table(_FEEDS, [_feed(feed, now_s) for feed in in_order(snapshot.mesh.feeds)], width)
    if not snapshot.mesh.feeds:
        feeds.append(Text("No service has exported a feed yet.", style=DIM, end=""))
    durables = table(_DURABLES, [_durable(durable, now_s) for durable in snapshot.mesh.durables], width)
    if not snapshot.mesh.durables:
        durables.append(Text("The bridge has exported no durables yet.", style=DIM, end=""))
    return [*feeds, Text(end=""), *durables]


def _feed(feed: FeedState, now_s: float) -> Row:
    stale = feed.is_stale(now_s)
    style = DIM if stale else ""
    newest = age(now_s - feed.newest_s)
    readers = ", ".join(map(_reader, feed.readers))
    blocked = feed.blocked_by
    if stale:
        last = Cell(f"stale, {age(now_s - feed.at_s)} old; {readers}", DIM)
    elif blocked is not None:
        last = Cell(f"blocked by {blocked.name} for {age(blocked.blocked_s)}; {readers}", FAIL)
    else:
        last = Cell(readers)
    return (
        Cell(feed.name, style),
        Cell(feed.service, DIM),
        Cell(number(feed.events_per_s, 1), style),
        Cell(number(feed.sequence), style),
        Cell(newest if feed.newest_exact else f">{newest}", style),
        last,
    )


def _reader(reader: ReaderState) -> str:
    return f"{reader.name} {number(reader.lag)}"


def _durable(durable: DurableState, now_s: float) -> Row:
    stale = durable.is_stale(now_s)
    style = DIM if stale else ""
    return (
        Cell(durable.name, style),
        Cell(durable.stream, DIM),
        Cell(number(durable.lag), style or (WARN if durable.lag else "")),
        Cell(number(durable.ack_pending), style),
        Cell(number(durable.redelivered), style),
        Cell(age(durable.oldest_age_s), style),
        Cell(f"stale, {age(now_s - durable.at_s)} old" if stale else "", DIM),
    )

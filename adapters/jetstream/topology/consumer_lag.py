"""Lag of every durable consumer on the mesh's streams: the mesh's own, and those that its users made."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from nats.aio.client import Client

from adapters.jetstream.client.errors import NotFound, StreamMissing, UnknownOutcome
from adapters.jetstream.client.messages import get_next
from adapters.jetstream.client.requests import call

# With 256 consumers a page, more durables on a stream than the server manages well; further ones are not reported.
MAX_PAGES = 8
# Durables of a stream whose oldest message is looked up, one request each; of further ones the age is unknown.
MAX_AGES = 50
_NS_PER_S = 1_000_000_000
_ALL_SUBJECTS = ">"


@dataclass(frozen=True, slots=True)
class Lag:
    """The lag of a durable.

    The numbers of messages not yet delivered, delivered and unacknowledged, and, of these, redelivered; and the age of
    the oldest unprocessed message: 0 where all are processed, None where unknown.
    """

    pending: int
    ack_pending: int
    redelivered: int
    oldest_age_s: float | None


async def lags(client: Client, streams: Iterable[str]) -> dict[tuple[str, str], Lag]:
    """Return the lag of each durable on these streams by its stream and name. Raises `JetStreamError`."""
    found: dict[tuple[str, str], Lag] = {}
    for stream in streams:
        for number, info in enumerate(await _durables(client, stream)):
            found[stream, _durable_name(info)] = await _lag(client, stream, info, with_age=number < MAX_AGES)
    return found


async def _durables(client: Client, stream: str) -> list[Mapping[str, Any]]:
    """Return what the server says of the stream's durables; none where there is no such stream."""
    found: list[Mapping[str, Any]] = []
    offset = 0
    for _ in range(MAX_PAGES):
        try:
            page = await call(client, f"CONSUMER.LIST.{stream}", {"offset": offset})
        except (NotFound, StreamMissing):
            return []
        infos, total = page.get("consumers") or [], page.get("total")
        if not isinstance(infos, list) or not isinstance(total, int):
            raise UnknownOutcome(f"{stream}: the list of its consumers cannot be read: {page}")
        found += [info for info in infos if _durable_name(info)]
        offset += len(infos)
        if not infos or offset >= total:
            break
    return found


def _durable_name(info: Mapping[str, Any]) -> str:
    """Return the durable's name; empty for a consumer that is not durable."""
    name: str = (info.get("config") or {}).get("durable_name") or ""
    return name


async def _lag(client: Client, stream: str, info: Mapping[str, Any], *, with_age: bool) -> Lag:
    counts = [info.get(name) for name in ("num_pending", "num_ack_pending", "num_redelivered")]
    pending, ack_pending, redelivered = (count if isinstance(count, int) else -1 for count in counts)
    floor = (info.get("ack_floor") or {}).get("stream_seq")
    if min(pending, ack_pending, redelivered) < 0 or not isinstance(floor, int):
        raise UnknownOutcome(f"{stream}/{_durable_name(info)}: its state cannot be read: {info}")
    age_s: float | None = 0.0
    if pending + ack_pending:
        age_s = await _oldest_age_s(client, stream, info["config"], floor) if with_age else None
    return Lag(pending, ack_pending, redelivered, age_s)


async def _oldest_age_s(client: Client, stream: str, config: Mapping[str, Any], floor: int) -> float | None:
    """Return the age of the first message after the floor that the durable has to process, None where unknown."""
    if config.get("filter_subjects"):
        return None  # the server looks up the next message of one subject only
    oldest = await get_next(client, stream, floor + 1, config.get("filter_subject") or _ALL_SUBJECTS)
    return None if oldest is None else max(0.0, (time.time_ns() - oldest.stored_ns) / _NS_PER_S)

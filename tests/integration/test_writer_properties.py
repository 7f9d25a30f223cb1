"""With any loss or delay of acknowledgements, a subject holds every event once and in order, on the real server."""

import asyncio
import uuid
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import nats.errors
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.jetstream.client.connection import connect
from adapters.jetstream.client.errors import JetStreamError, SequenceConflict, UnknownOutcome
from adapters.jetstream.client.writer import Message, SubjectWriter
from adapters.jetstream.topology.streams import init
from declared import wanted_streams
from nats_server import NatsServer

STREAM, SUBJECT = "QIKI_RADAR_V1", "qiki.radar.v1.frames"
EVENTS = 24
MAX_TRIES = 400
FAULTS = st.sampled_from(["none", "ack lost", "not sent", "ack late", "rival first", "rival after"])


class Events:
    """The events of one example: their ids are its own, as those of a run are."""

    def __init__(self) -> None:
        self._run = uuid.uuid4().hex

    def message(self, number: int) -> Message:
        return Message({"Nats-Msg-Id": f"{self._run}/{number}", "number": str(number)}, f"payload {number}".encode())


class Unreliable:
    """The real client, except that a schedule decides the fate of each request."""

    def __init__(self, client: Any, faults: deque[str], rival: SubjectWriter, events: Events) -> None:
        self._client = client
        self._faults = faults
        self._rival = rival
        self._events = events
        self._late: list[asyncio.Task[Any]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def request(self, subject: str, payload: bytes, timeout: float, headers: Any = None) -> Any:  # noqa: ASYNC109
        fault = self._faults.popleft() if subject == SUBJECT and self._faults else "none"
        if fault == "not sent":
            raise nats.errors.TimeoutError
        if fault == "rival first":
            await append_next(self._rival, self._events)
        if fault == "ack late":
            call = self._client.request(subject, payload, timeout=timeout, headers=headers)
            self._late.append(asyncio.ensure_future(call))
            raise nats.errors.TimeoutError
        answer = await self._client.request(subject, payload, timeout=timeout, headers=headers)
        if fault == "rival after":
            await append_next(self._rival, self._events)
        if fault == "ack lost":
            raise nats.errors.TimeoutError
        return answer

    async def settle(self) -> None:
        """Wait for the requests still in flight."""
        await asyncio.gather(*self._late, return_exceptions=True)


async def where(writer: SubjectWriter) -> tuple[int, int]:
    """Read the sink's tail: the last event's number, and its stream sequence."""
    tail = await writer.tail(5.0)
    return (int(tail.headers["number"]), tail.sequence) if tail else (0, 0)


async def append_next(writer: SubjectWriter, events: Events) -> None:
    """Write the next event as another bridge would; one of the two must be refused."""
    number, sequence = await where(writer)
    if number < EVENTS:
        await writer.append([events.message(number + 1)], sequence, 5.0)


async def carry(writer: SubjectWriter, events: Events, batch: int) -> None:
    """Write every event: on an unknown outcome, read the sink's tail and continue there."""
    for _ in range(MAX_TRIES):
        number, sequence = await where(writer)
        if number == EVENTS:
            return
        try:
            while number < EVENTS:
                count = min(batch, EVENTS - number)
                sequence = await writer.append(
                    [events.message(number + 1 + each) for each in range(count)], sequence, 2.0
                )
                number += count
        except (UnknownOutcome, SequenceConflict):
            continue
    raise AssertionError("the events do not get through")


@asynccontextmanager
async def server(directory: Path) -> AsyncIterator[Any]:
    async with NatsServer(directory) as running:
        client = await connect(running.url, "test", lambda _event: None)
        try:
            await init(client, wanted_streams(size_factor=0.01))
            yield client
        finally:
            await client.close()


async def stored(client: Any) -> list[int]:
    """Read the subject back, by nats-py's own means."""
    context = client.jetstream()
    subscription = await context.subscribe(SUBJECT, ordered_consumer=True)
    last = (await SubjectWriter(client, STREAM, SUBJECT).tail(5.0)).sequence  # type: ignore[union-attr]
    found = []
    while True:
        each = await subscription.next_msg(timeout=5)
        found.append(int(each.headers["number"]))
        if each.metadata.sequence.stream == last:
            await subscription.unsubscribe()
            return found


async def check(client: Any, faults: list[str], batch: int) -> None:
    await client.jetstream().purge_stream(STREAM, subject=SUBJECT)
    rival = SubjectWriter(client, STREAM, SUBJECT)
    events = Events()
    unreliable = Unreliable(client, deque(faults), rival, events)
    try:
        await carry(SubjectWriter(unreliable, STREAM, SUBJECT), events, batch)  # type: ignore[arg-type]
    except JetStreamError as error:
        raise AssertionError(f"not a doubt: {error}") from error
    await unreliable.settle()
    assert await stored(client) == list(range(1, EVENTS + 1))


def test_lost_late_or_overtaken_acks_cause_no_loss_duplicate_or_reordering(tmp_path: Path) -> None:
    loop = asyncio.new_event_loop()
    running = server(tmp_path)
    client = loop.run_until_complete(running.__aenter__())

    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(faults=st.lists(FAULTS, max_size=30), batch=st.sampled_from([1, 1, 3, 8, 24]))
    def holds(faults: list[str], batch: int) -> None:
        loop.run_until_complete(check(client, faults, batch))

    try:
        holds()
    finally:
        loop.run_until_complete(running.__aexit__(None, None, None))
        loop.close()

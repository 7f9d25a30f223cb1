"""The mesh's durable consumers with every policy written down; created, checked, and how far each lags."""

from collections.abc import Mapping
from dataclasses import dataclass

from nats.aio.client import Client

from adapters.jetstream.api import TopologyError, call
from adapters.jetstream.drift import Difference

_NS_PER_S = 1_000_000_000
_NOT_FOUND = 10014


@dataclass(frozen=True, slots=True)
class Durable:
    """One durable pull consumer with explicit acknowledgement.

    A message that is not acknowledged within `ack_wait_s` comes again, `max_deliver` times at most (-1: for ever);
    at most `max_ack_pending` are out at a time.
    """

    stream: str
    name: str
    filter_subject: str
    ack_wait_s: int
    max_deliver: int
    max_ack_pending: int

    def config(self) -> dict[str, object]:
        """Return the configuration as the server knows it."""
        return {
            "durable_name": self.name,
            "name": self.name,
            "filter_subject": self.filter_subject,
            "deliver_policy": "all",
            "ack_policy": "explicit",
            "ack_wait": self.ack_wait_s * _NS_PER_S,
            "max_deliver": self.max_deliver,
            "max_ack_pending": self.max_ack_pending,
            "replay_policy": "instant",
        }


@dataclass(frozen=True, slots=True)
class Lag:
    """How far a durable is behind: messages not delivered yet, and messages delivered and not acknowledged."""

    pending: int
    ack_pending: int


# Delivered for ever: the registrar may be away for any time, and what cannot be processed goes to the dead letters.
REGISTRAR_INTAKE = Durable(
    stream="QIKI_EVENTS_V1",
    name="registrar_intake",
    filter_subject="qiki.events.v1.>",
    ack_wait_s=30,
    max_deliver=-1,
    max_ack_pending=1_000,
)
# Each has a running reader: a durable that nobody reads would only fill its stream.
DURABLES = (REGISTRAR_INTAKE,)


async def check(client: Client) -> list[Difference]:
    """Return how the server's durables differ from the declared ones. Raises `TopologyError`."""
    found: list[Difference] = []
    for durable in DURABLES:
        actual = await _actual(client, durable)
        place = f"{durable.stream}/{durable.name}"
        if actual is None:
            found.append(Difference(place, "name", durable.name, None))
            continue
        wanted = durable.config()
        found += [
            Difference(place, field, value, actual.get(field))
            for field, value in wanted.items()
            if actual.get(field) != value
        ]
    return found


async def init(client: Client) -> list[str]:
    """Create what is missing and update what differs; return what was done. Raises `TopologyError`."""
    actions: list[str] = []
    for difference_of in sorted({difference.stream for difference in await check(client)}):
        durable = next(item for item in DURABLES if f"{item.stream}/{item.name}" == difference_of)
        request = {"stream_name": durable.stream, "config": durable.config()}
        await call(client, f"CONSUMER.DURABLE.CREATE.{durable.stream}.{durable.name}", request)
        actions.append(f"declared durable {difference_of}")
    return actions


async def lag(client: Client, durable: Durable) -> Lag | None:
    """Return how far the durable is behind, None where there is no such durable. Raises `TopologyError`."""
    info = await _info(client, durable)
    if info is None:
        return None
    pending, ack_pending = info.get("num_pending"), info.get("num_ack_pending")
    if not isinstance(pending, int) or not isinstance(ack_pending, int):
        raise TopologyError(f"what the server says of {durable.name} cannot be read: {info}")
    return Lag(pending, ack_pending)


async def _actual(client: Client, durable: Durable) -> Mapping[str, object] | None:
    info = await _info(client, durable)
    config = info.get("config") if info else None
    return config if isinstance(config, dict) else None


async def _info(client: Client, durable: Durable) -> Mapping[str, object] | None:
    try:
        return await call(client, f"CONSUMER.INFO.{durable.stream}.{durable.name}", {})
    except TopologyError as error:
        if error.code == _NOT_FOUND:
            return None
        raise

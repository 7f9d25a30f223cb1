"""The mesh's durable consumers with every policy explicit: created and checked."""

from collections.abc import Mapping
from dataclasses import dataclass

from nats.aio.client import Client

from adapters.jetstream.client.errors import NotFound
from adapters.jetstream.client.requests import call
from adapters.jetstream.topology.drift import Difference

_NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Durable:
    """One durable pull consumer with explicit acknowledgement.

    A message that is not acknowledged within `ack_wait_s`, because its reader died, is redelivered, up to `max_deliver`
    deliveries (-1: no limit); at most `max_ack_pending` are outstanding. A message that a reader returns because it
    could not be processed now is redelivered after `backoff_s`; its last value applies to all further deliveries.
    """

    stream: str
    name: str
    filter_subject: str
    ack_wait_s: int
    max_deliver: int
    max_ack_pending: int
    backoff_s: tuple[float, ...] = ()

    def delay_s(self, deliveries: int) -> float:
        """Return the seconds after which a returned message is redelivered, by its number of deliveries."""
        return self.backoff_s[min(deliveries, len(self.backoff_s)) - 1]

    def config(self) -> dict[str, object]:
        """Return the configuration in the server's format."""
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


# No delivery limit: the registrar may be away for any time, and unprocessable messages are dead-lettered.
REGISTRAR_INTAKE = Durable(
    stream="QIKI_EVENTS_V1",
    name="registrar_intake",
    filter_subject="qiki.events.v1.>",
    ack_wait_s=30,
    max_deliver=-1,
    max_ack_pending=1_000,
)
SIM_COMMANDS = Durable(
    stream="QIKI_COMMANDS_V1",
    name="sim_commands",
    filter_subject="qiki.commands.v1.>",
    # Longer than the limit for processing one command, so that a redelivered command is not being processed; and short,
    # because after the death of a bridge the commands wait this long.
    ack_wait_s=8,
    # With the backoff four to five minutes: a simulator is back long before, and a command that old is obsolete.
    max_deliver=30,
    # Commands act in order of arrival: the next one waits until the one before is answered or dead-lettered.
    max_ack_pending=1,
    # Short at first, because a killed simulator is back in seconds; then longer.
    backoff_s=(0.5, 1.0, 2.0, 5.0, 10.0),
)
# No delivery limit: each advisory is the last trace of a message that exhausted max_deliver.
DLQ_ADVISORIES = Durable(
    stream="QIKI_DLQ_V1",
    name="dlq_advisories",
    filter_subject="$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.>",
    ack_wait_s=30,
    max_deliver=-1,
    max_ack_pending=100,
)
# Each has a running reader: a durable without a reader would only fill its stream.
DURABLES = (REGISTRAR_INTAKE, SIM_COMMANDS, DLQ_ADVISORIES)


async def check(client: Client) -> list[Difference]:
    """Return how the server's durables differ from the declared ones. Raises `JetStreamError`."""
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
    """Create missing durables and update differing ones; return the actions taken. Raises `JetStreamError`."""
    actions: list[str] = []
    for difference_of in sorted({difference.stream for difference in await check(client)}):
        durable = next(item for item in DURABLES if f"{item.stream}/{item.name}" == difference_of)
        request = {"stream_name": durable.stream, "config": durable.config()}
        await call(client, f"CONSUMER.DURABLE.CREATE.{durable.stream}.{durable.name}", request)
        actions.append(f"declared durable {difference_of}")
    return actions


async def exists(client: Client, durable: Durable) -> bool:
    """Return whether the server has the durable. Raises `JetStreamError`."""
    return await _info(client, durable) is not None


async def _actual(client: Client, durable: Durable) -> Mapping[str, object] | None:
    info = await _info(client, durable)
    config = info.get("config") if info else None
    return config if isinstance(config, dict) else None


async def _info(client: Client, durable: Durable) -> Mapping[str, object] | None:
    try:
        return await call(client, f"CONSUMER.INFO.{durable.stream}.{durable.name}", {})
    except NotFound:
        return None

"""The declared durable consumers, the mesh's own and its users', with every policy explicit: created and checked."""

from collections.abc import Mapping, Sequence

from nats.aio.client import Client

from adapters.jetstream.client.errors import NotFound
from adapters.jetstream.client.requests import call
from adapters.jetstream.topology.drift import Difference
from botspec.base import nanoseconds
from botspec.bus.streams import Durable

_NO_LIMIT = -1
_ABSENT: Mapping[str, object] = {"backoff": []}  # the server's meaning of a field that it omits


def consumer_config(durable: Durable) -> dict[str, object]:
    """Return a durable's configuration in the server's format.

    Of the mesh's own durables the bridge itself applies the backoff, to the messages that it returns.
    """
    config: dict[str, object] = {
        "durable_name": durable.name,
        "name": durable.name,
        "filter_subject": durable.filter_subject,
        "deliver_policy": "all",
        "ack_policy": "explicit",
        "ack_wait": nanoseconds(durable.ack_wait_s),
        "max_deliver": _NO_LIMIT if durable.max_deliver is None else durable.max_deliver,
        "max_ack_pending": durable.max_ack_pending,
        "replay_policy": "instant",
    }
    backoff = [] if durable.is_own else [nanoseconds(wait_s) for wait_s in durable.backoff_s]
    return {**config, "backoff": backoff}


async def check(client: Client, durables: Sequence[Durable]) -> list[Difference]:
    """Return how the server's durables differ from the declared ones. Raises `JetStreamError`."""
    found: list[Difference] = []
    for durable in durables:
        actual = await _actual(client, durable)
        place = f"{durable.stream}/{durable.name}"
        if actual is None:
            found.append(Difference(place, "name", durable.name, None))
            continue
        wanted = consumer_config(durable)
        found += [
            Difference(place, field, value, actual.get(field, _ABSENT.get(field)))
            for field, value in wanted.items()
            if actual.get(field, _ABSENT.get(field)) != value
        ]
    return found


async def init(client: Client, durables: Sequence[Durable]) -> list[str]:
    """Create missing durables and update differing ones; return the actions taken. Raises `JetStreamError`."""
    actions: list[str] = []
    for difference_of in sorted({difference.stream for difference in await check(client, durables)}):
        durable = next(item for item in durables if f"{item.stream}/{item.name}" == difference_of)
        request = {"stream_name": durable.stream, "config": consumer_config(durable)}
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

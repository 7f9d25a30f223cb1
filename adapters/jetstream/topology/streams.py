"""The mesh's JetStream streams with every policy explicit: created, checked and updated without losing data."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from nats.aio.client import Client

from adapters.jetstream.client.errors import JetStreamError, UnknownOutcome
from adapters.jetstream.client.requests import call
from adapters.jetstream.topology.drift import Difference, StreamConfig, diff, missing, overlaps, refusal
from botspec.bus.streams import Stream
from botspec.sections import Bus

_NO_LIMIT = -1
_NS_PER_S = 1_000_000_000
_MAX_PAGES = 100


class TopologyRefused(JetStreamError):  # noqa: N818 - named for what happened, as the errors of the client
    """A change refused because it would lose data or is impossible; `stream` and `field` name its place."""

    def __init__(self, stream: str, field: str, problem: str) -> None:
        super().__init__(f"{stream}.{field}: {problem}")
        self.stream = stream
        self.field = field


def wanted_streams(bus: Bus, size_factor: float = 1.0, num_replicas: int = 1) -> dict[str, StreamConfig]:
    """Return the declared configuration of every stream by its name.

    `size_factor` scales the retained messages and bytes to the available disk; at 1.0 the server reserves the declared
    bytes. Raises `ValueError` for a factor outside (0, 1000] or other than 1, 3 or 5 replicas.
    """
    if not (math.isfinite(size_factor) and 0 < size_factor <= 1000):
        raise ValueError(f"size_factor is {size_factor}, expected more than 0 and at most 1000")
    if num_replicas not in (1, 3, 5):
        raise ValueError(f"num_replicas is {num_replicas}, expected 1, 3 or 5")
    bridged = bus.bridged_streams
    return {
        stream.name: _config(stream, size_factor, num_replicas, bridged=stream.name in bridged)
        for stream in bus.streams
    }


async def check(client: Client, wanted: Mapping[str, StreamConfig]) -> list[Difference]:
    """Return how the server's streams differ from the declared ones; empty where they do not.

    A missing stream differs in its `name`; a subject that another captures, in `subjects`. Raises `JetStreamError`.
    """
    actual = await _actual(client)
    taken = [
        Difference(each.stream, "subjects", each.subject, f"{each.other_subject} of stream {each.other}")
        for each in overlaps(wanted, actual)
    ]
    absent = [Difference(name, "name", name, None) for name in missing(wanted, actual)]
    return absent + taken + diff(wanted, actual)


async def init(client: Client, wanted: Mapping[str, StreamConfig]) -> list[str]:
    """Create missing streams and update differing ones; return the actions taken, none the second time.

    Raises `TopologyRefused` before any change where a change would lose data or is impossible, and `JetStreamError`
    where the server does not comply.
    """
    actual = await _actual(client)
    differences = diff(wanted, actual)
    _refuse_loss(wanted, actual, differences)
    actions: list[str] = []
    for name in missing(wanted, actual):
        await call(client, f"STREAM.CREATE.{name}", wanted[name])
        actions.append(f"created {name}")
    for name in sorted({difference.stream for difference in differences}):
        await call(client, f"STREAM.UPDATE.{name}", {**actual[name], **wanted[name]})
        changed = [f"{each.field} {each.actual!r} -> {each.wanted!r}" for each in differences if each.stream == name]
        actions.append(f"updated {name}: {', '.join(changed)}")
    if actions and (left := await check(client, wanted)):
        raise JetStreamError(
            "the server took the changes and did not make them all; nats-server 2.12 or later is needed: "
            + "; ".join(map(str, left))
        )
    return actions


def _config(declared: Stream, size_factor: float, num_replicas: int, *, bridged: bool) -> StreamConfig:
    per_subject = declared.max_msgs_per_subject
    return {
        "name": declared.name,
        "subjects": list(declared.subjects),
        "retention": "limits",
        "storage": "file",
        "discard": "new",
        "discard_new_per_subject": False,
        "max_msgs_per_subject": _NO_LIMIT if per_subject is None else max(1, int(per_subject * size_factor)),
        "max_msgs": _NO_LIMIT,
        "max_bytes": max(1, int(declared.max_bytes * size_factor)),
        "max_age": (declared.max_age_s or 0) * _NS_PER_S,
        "max_msg_size": _NO_LIMIT,
        "max_consumers": _NO_LIMIT,
        "num_replicas": num_replicas,
        "duplicate_window": declared.duplicate_window_s * _NS_PER_S,
        "allow_direct": True,
        "allow_atomic": bridged,
        "allow_rollup_hdrs": False,
        "allow_msg_ttl": False,
        "deny_delete": False,
        "deny_purge": False,
        "no_ack": False,
        "sealed": False,
        "compression": "none",
        "mirror": None,
        "sources": None,
        "subject_transform": None,
    }


def _refuse_loss(
    wanted: Mapping[str, StreamConfig], actual: Mapping[str, StreamConfig], differences: list[Difference]
) -> None:
    for overlap in overlaps(wanted, actual):
        raise TopologyRefused(
            overlap.stream,
            "subjects",
            f"{overlap.subject} is taken by {overlap.other_subject} of stream {overlap.other}; "
            f"narrow that stream's subjects or remove it",
        )
    for difference in differences:
        if reason := refusal(difference):
            raise TopologyRefused(
                difference.stream,
                difference.field,
                f"will not change {difference.actual!r} to {difference.wanted!r}: {reason}",
            )


@dataclass(frozen=True, slots=True)
class Fill:
    """Usage of a stream: messages and bytes stored, and its limit in bytes (-1: no limit)."""

    messages: int
    size_bytes: int
    limit_bytes: int


async def fills(client: Client, declared: Collection[str]) -> dict[str, Fill]:
    """Return the usage of each declared stream that exists. Raises `JetStreamError`."""
    return {
        name: Fill(int(state["messages"]), int(state["bytes"]), int(str(config["max_bytes"])))
        for name, (config, state) in (await _listed(client)).items()
        if name in declared
    }


async def _actual(client: Client) -> dict[str, StreamConfig]:
    return {name: config for name, (config, _state) in (await _listed(client)).items()}


async def _listed(client: Client) -> dict[str, tuple[StreamConfig, dict[str, int]]]:
    found: dict[str, tuple[StreamConfig, dict[str, int]]] = {}
    for _ in range(_MAX_PAGES):
        page = await call(client, "STREAM.LIST", {"offset": len(found)})
        streams, total = page.get("streams") or [], page.get("total")
        if not isinstance(streams, list) or not isinstance(total, int):
            raise UnknownOutcome(f"the server's list of streams cannot be read: {page}")
        found |= {stream["config"]["name"]: (stream["config"], stream["state"]) for stream in streams}
        if not streams or len(found) >= total:
            return found
    raise JetStreamError(f"the server has too many streams to check: more than {len(found)}")

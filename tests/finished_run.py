"""A finished run of the whole chain with alarms, as its messages in JetStream; and storing such messages again."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from nats.aio.client import Client

from chain import AUDIT_STREAM, AUDIT_SUBJECT, SUBJECTS, Stored, chain, published_all, read_all, read_audit, until
from svc_sim.wiring import default_scenario

DURATION_S = 12.0
STREAMS = {**SUBJECTS, AUDIT_SUBJECT: AUDIT_STREAM}
Streams = dict[str, list[Stored]]
_OF_THE_WRITER = ("Nats-Expected", "Nats-Batch")


def finish_run(directory: Path, **options: Any) -> Streams:
    """Run the first seconds of the simulator's own scenario to their end; return every message of every subject.

    `options` are those of the mesh; its state stays in `directory`/state.
    """
    scenario = directory / "crossing.yaml"
    scenario.write_text(default_scenario().read_text().replace("duration_s: 120.0", f"duration_s: {DURATION_S}", 1))
    return asyncio.run(_finish(directory, scenario, options))


async def _finish(directory: Path, scenario: Path, options: dict[str, Any]) -> Streams:
    async with chain(directory, DURATION_S, scenario=scenario, **options) as mesh:
        await until(lambda: published_all(mesh), "everything published")
        audit = await read_audit(mesh)
        return {**await read_all(mesh), AUDIT_SUBJECT: audit}


async def store_again(client: Client, streams: Mapping[str, Sequence[Stored]]) -> None:
    """Publish messages unchanged, even invalid ones: without conditions, and without their ids."""
    for subject, messages in streams.items():
        for message in messages:
            headers = {name: value for name, value in message.headers.items() if not name.startswith(_OF_THE_WRITER)}
            headers.pop("Nats-Msg-Id", None)
            answer = await client.request(subject, message.data, timeout=5, headers=headers)
            assert b'"error"' not in answer.data, answer.data


def altered(messages: Sequence[Stored], index: int, **changes: Any) -> list[Stored]:
    """Return the messages with one of them changed: its `data` or its `headers`, of which only those given."""
    found = list(messages)
    headers = {**found[index].headers, **changes.pop("headers", {})}
    found[index] = replace(found[index], headers=headers, **changes)
    return found

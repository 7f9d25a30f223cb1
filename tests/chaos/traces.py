"""A run's messages on the derived subjects, in a comparable form: read by nats-py alone."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from chain import read_all
from chaos.arena import arena
from chaos.watcher import Watcher
from cli.local_mesh.mesh import Mesh


class Trace(NamedTuple):
    """One message: `ce-id`, `ce-sequence`, SHA-256 of the payload."""

    event_id: str
    sequence: int
    digest: str


async def read_traces(mesh: Mesh) -> dict[str, list[Trace]]:
    """Return the traces of every derived subject, in stored order."""
    return {
        subject: [
            Trace(
                message.headers["ce-id"],
                int(message.headers["ce-sequence"]),
                hashlib.sha256(message.data).hexdigest(),
            )
            for message in messages
        ]
        for subject, messages in (await read_all(mesh)).items()
    }


async def clean_run(directory: Path, scenario: Path, journal: Path) -> dict[str, list[Trace]]:
    """Run the same run undisturbed, as fast as possible, with the commands of a journal; return its traces."""
    settings = (("sim", "JOURNAL", str(journal)),)
    async with arena(directory, scenario, "max", links=(), settings=settings) as calm:
        await Watcher(calm).carried()
        return await read_traces(calm.mesh)


def difference(
    found: Mapping[str, Sequence[Trace]],
    wanted: Mapping[str, Sequence[Trace]],
    of: str = "the clean run",
    *,
    whole: bool = True,
) -> str:
    """Return the first difference from what is wanted, or the first gap in it; empty where there is none.

    A trace that is not yet `whole` may end earlier.
    """
    for subject, expected in wanted.items():
        actual = found.get(subject, [])
        for place, trace in enumerate(expected, start=1):
            if trace.sequence != place:
                return f"{subject}: message {place} of {of} has the sequence {trace.sequence}"
        for place, (one, other) in enumerate(zip(actual, expected, strict=False), start=1):
            if one != other:
                return f"{subject}: message {place} is {one}, in {of} {other}"
        if len(actual) > len(expected) or (whole and len(actual) < len(expected)):
            return f"{subject}: {len(actual)} messages, in {of} {len(expected)}"
    return ""

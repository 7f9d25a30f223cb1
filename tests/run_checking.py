"""The demo's check of a run, in a process with NumPy pinned to the baseline as in the services.

The process of the tests is not pinned: its recomputed values differ from those of the services in their last bits.
"""

import asyncio
import multiprocessing
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from chain import RUN_ID, Stored
from mesh.storage.platform_pin import pin

TIMEOUT_S = 120.0


@dataclass(frozen=True)
class Checked:
    """The result of the check: its problems, and the number of checked messages."""

    problems: list[str]
    summary: dict[str, int]


@contextmanager
def pinned_process() -> Iterator[ProcessPoolExecutor]:
    """Give a process to call the functions below in."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), initializer=pin) as process:
        yield process


def check_messages(streams: Mapping[str, list[Stored]], run_id: str = RUN_ID) -> Checked:
    """Check these messages, subject after subject as the demo does."""
    from adapters.jetstream.client.messages import StoredMessage  # noqa: PLC0415 - in the pinned process alone
    from cli.demo.checks.run_check import RunCheck  # noqa: PLC0415
    from cli.demo.reader import reading_order  # noqa: PLC0415

    check, spec = RunCheck.of(_spec(), run_id), _spec()

    async def take_all() -> None:
        for channel in reading_order(spec.channels):
            take = check.open(channel)
            for place, message in enumerate(streams[channel.subject], start=1):
                await take(StoredMessage(place, channel.subject, message.headers, message.data, 1))

    asyncio.run(take_all())
    return Checked(check.problems(), dict(check.summary()))


def check_server(url: str) -> Checked:
    """Read back what a nats-server holds, as the demo does, and check it."""
    from cli.demo.checks.run_check import RunCheck  # noqa: PLC0415 - in the pinned process alone
    from cli.demo.reader import RunReader  # noqa: PLC0415
    from cli.demo.run import read_back  # noqa: PLC0415

    spec = _spec()
    check, reader = RunCheck.of(spec, RUN_ID), RunReader(RUN_ID, {}, {channel.name: 10**6 for channel in spec.channels})
    asyncio.run(read_back(url, spec.channels, reader, check, progress=lambda _count: None))
    return Checked(check.problems(), dict(check.summary()))


def _spec():  # type: ignore[no-untyped-def] # its type is not imported before NumPy is pinned
    from botspec.example import example_bot_spec  # noqa: PLC0415
    from botspec.model import load_bot_spec  # noqa: PLC0415

    return load_bot_spec(example_bot_spec()).spec

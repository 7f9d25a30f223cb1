"""`qiki nats drop-run`: list the messages of a run that would be deleted, and delete them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from adapters.jetstream.codec.stored_event import NotABridgesError
from adapters.jetstream.topology.drop_run import LastRun, drop, last_run
from cli.demo.progress import open_meter
from cli.errors import CliError
from cli.local_mesh.files import load_bot
from cli.local_mesh.jetstream import connected


async def drop_run(nats_url: str, run_id: str, bot_spec: Path, *, confirmed: bool) -> list[str]:
    """Delete the run from every subject that ends in it if confirmed; return a report of the deletion, done or pending.

    Raises CliError where no subject ends in the run, or the server cannot be reached.
    """
    channels = load_bot(bot_spec).spec.channels
    async with _on_the_bus(nats_url) as client:
        lasts = [await last_run(client, channel.stream, channel.subject) for channel in channels]
        found = [last for last in lasts if last is not None and last.newest.context.run_id == run_id]
        if not found:
            raise CliError(
                f"No channel's subject ends in run {run_id}: there is nothing to delete. Only the last run on a "
                "subject keeps others from being published; `/healthz` of the bridge names it."
            )
        if not confirmed:
            return [
                *map(_describe, found),
                "Nothing is deleted yet: add --yes to delete these for ever, then restart the bridge.",
            ]
        with open_meter(Console(stderr=True)) as meter:
            counts = [
                await drop(client, last, lambda count, last=last: meter.show(last.subject, count, last.events))  # type: ignore[misc]
                for last in found
            ]
    done = [f"{last.subject}: {count} events deleted" for last, count in zip(found, counts, strict=True)]
    return [*done, "Restart the bridge: its channels then continue after the remaining events."]


def _describe(last: LastRun) -> str:
    return f"{last.subject}: {last.events} events of run {last.newest.context.run_id}, created {last.created}"


@asynccontextmanager
async def _on_the_bus(nats_url: str) -> AsyncIterator[Any]:
    try:
        async with connected(nats_url) as client:
            yield client
    except NotABridgesError as error:
        raise CliError(f"{error}.") from None

"""Implementation of `qiki top`: find the mesh, then the live view or one snapshot."""

import asyncio
import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import typer

from cli.errors import UsageError
from cli.output import lossy_output
from cli.views.top.collect.endpoints import SERVICES, find_mesh
from cli.views.top.collect.poll import EndpointBook
from cli.views.top.json_form import to_json
from cli.views.top.live import LiveView
from cli.views.top.once import collect, plain_lines
from cli.views.top.terminal.screen import Screen

SIGNAL_STATUS: Final = 128
PLAIN_SIZE: Final = (120, 50)
MAX_PLAIN_WIDTH: Final = 1000


def run(state_dir: Path | None, host: str | None, ports: Mapping[str, int], once: bool, as_json: bool) -> None:
    """Show the mesh until `q` or a signal, or print one snapshot. Raises UsageError; typer.Exit after a signal."""
    if not (once or as_json) and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("This is no terminal. `qiki top --once` prints one snapshot, with --json as JSON.")
    source = find_mesh(state_dir, host, ports)
    book = EndpointBook(source)
    names = tuple(name for name in SERVICES if name in book.read()) or SERVICES
    if once or as_json:
        with lossy_output():
            snapshot = asyncio.run(collect(book, names))
            width = min(MAX_PLAIN_WIDTH, max(1, shutil.get_terminal_size(PLAIN_SIZE).columns))
            if as_json:
                print(json.dumps(to_json(snapshot), indent=2, allow_nan=False))
            else:
                print("\n".join(plain_lines(snapshot, width)))
        return
    stopped_by = asyncio.run(_live(book, names))
    if stopped_by is not None:
        raise typer.Exit(SIGNAL_STATUS + stopped_by)


async def _live(book: EndpointBook, names: tuple[str, ...]) -> int | None:
    return await LiveView(Screen(sys.stdin.fileno(), sys.stdout.fileno()), book, names).run()

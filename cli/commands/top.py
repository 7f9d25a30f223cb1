"""`qiki top`: a live view of a running mesh in the terminal."""

from pathlib import Path
from typing import Annotated

import typer

from cli.local_mesh.ports import DEFAULT_PORTS, parse_ports


def top(
    *,
    state_dir: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="State directory of a running `qiki up`; default: the one that runs here."),
    ] = None,
    host: Annotated[
        str | None, typer.Option(metavar="HOST", help="Where the services listen, instead; default: 127.0.0.1.")
    ] = None,
    port: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=PORT",
            help=f"Another port than the usual one; may be repeated. Names: {', '.join(DEFAULT_PORTS)}.",
        ),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Print one snapshot and end: needs no terminal.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one snapshot as JSON and end.")] = False,
) -> None:
    """Watch a running mesh: services, streams, alerts, radar, audit. Keys: 1 to 5, `?` help, `p` pause, `q` quit.

    It reads health, metrics and streams only, and changes nothing. Without a terminal use --once.
    """
    ports = parse_ports(port or ())
    from cli.views.top.run import run  # noqa: PLC0415 - other commands must start without its dependencies

    run(state_dir, host, ports, once, json)

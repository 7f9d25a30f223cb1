"""`qiki trace`: the way of an event through the mesh as a waterfall, in the terminal or as an HTML file."""

from pathlib import Path
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

SHOW: Final = "show"
DEFAULT_LAST: Final = "1m"


class DefaultCommandGroup(TyperGroup):
    """A group in which `show` is the default command: `qiki trace ID` is `qiki trace show ID`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Insert the default command where none is named."""
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = [SHOW, *args]
        return super().parse_args(ctx, args)


trace = typer.Typer(
    cls=DefaultCommandGroup,
    help="Show the way of an event through the mesh: `qiki trace ID`, `qiki trace --slowest`, `qiki trace --list`. "
    "They are short for `qiki trace show ...`, whose --help lists all options.",
    no_args_is_help=True,
)

StateDir = Annotated[
    Path | None, typer.Option(metavar="DIR", help="State directory of the mesh, as given to `qiki up --trace`.")
]
Store = Annotated[
    Path | None,
    typer.Option(metavar="DIR", envvar="QIKI_TRACE_STORE", help="Directory of the store of `qiki trace serve`."),
]


@trace.command(SHOW)
def show(
    wanted: Annotated[
        str | None,
        typer.Argument(
            metavar="ID",
            help="Any id in the trace: ce-id, frame, track or command id, trace or span id, or the start of one.",
            show_default=False,
        ),
    ] = None,
    *,
    slowest: Annotated[bool, typer.Option("--slowest", help="The slowest trace of the last minute (--last).")] = False,
    listed: Annotated[bool, typer.Option("--list", help="List traces: those with ID, the slowest, or all.")] = False,
    last: Annotated[
        str | None, typer.Option(metavar="TIME", help="Traces that began in the last 30s, 5m, 1h.", show_default=False)
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="List so many at most.")] = 20,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the trace as one HTML file that works offline.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    details: Annotated[bool, typer.Option("--details", help="Show every attribute below its span.")] = False,
    state_dir: StateDir = None,
    store: Store = None,
) -> None:
    """Show a trace: which service did what when, and where time was lost.

    Without --state-dir or --store, the traces are those of the running mesh with a temporary state directory, else
    those that `qiki trace serve` has collected.
    """
    from cli.views.trace.location import find_store  # noqa: PLC0415 - other commands must start without it
    from cli.views.trace.units import parse_last  # noqa: PLC0415
    from cli.views.trace.viewer.show import TraceRequest  # noqa: PLC0415
    from cli.views.trace.viewer.show import show as show_traces  # noqa: PLC0415

    window = last or (DEFAULT_LAST if slowest else None)
    last_ns = None if window is None else parse_last(window)
    request = TraceRequest(wanted, slowest, listed, last_ns, limit, html, as_json, details)
    show_traces(find_store(state_dir, store), request)


@trace.command()
def serve(
    host: Annotated[str, typer.Option(help="Listen on this address; containers cannot reach 127.0.0.1.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Port for OTLP over gRPC.")] = 4317,
    http_port: Annotated[int, typer.Option(min=1, max=65_535, help="Port of /metrics and /healthz.")] = 9107,
    store: Store = None,
) -> None:
    """Collect the traces of a mesh that was started otherwise, until Ctrl-C.

    Its services export to http://HOST:PORT if their setting otlp_endpoint or OTEL_EXPORTER_OTLP_ENDPOINT says so.
    """
    from cli.views.trace.collector.serve import serve as serve_traces  # noqa: PLC0415 - other commands must start without it

    serve_traces(host, port, http_port, store)

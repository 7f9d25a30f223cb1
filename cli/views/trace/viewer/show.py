"""Implementation of `qiki trace`: find the traces asked for and print them, or write the page."""

import io
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.text import Text

from cli.errors import CliError, UsageError
from cli.views.trace.units import duration_text
from cli.views.trace.viewer.as_json import summaries_json, trace_json
from cli.views.trace.viewer.listing import ago_text, listing
from cli.views.trace.viewer.page import page
from cli.views.trace.viewer.reader import MAX_ID, MIN_PREFIX, Found, StoredTraces, Summary, open_traces
from cli.views.trace.viewer.tree import build_trace
from cli.views.trace.viewer.waterfall import ASCII, UNICODE, waterfall


@dataclass(frozen=True, slots=True)
class TraceRequest:
    """The traces to show and the form. One of `wanted` (an id), `slowest` and `listed` is given at least."""

    wanted: str | None
    slowest: bool
    listed: bool
    last_ns: int | None
    limit: int
    html: Path | None
    as_json: bool
    details: bool


def show(store: Path, request: TraceRequest) -> None:
    """Show what is asked for from the store's directory. Raises CliError, UsageError."""
    _check(request)
    with open_traces(store) as traces:
        if traces.extent().spans == 0:
            raise CliError(f"The trace store {store} is empty: services export their spans every 5 s. Try again soon.")
        if request.listed:
            _show_list(traces, store, request)
        else:
            _show_trace(traces, store, request)


def _check(request: TraceRequest) -> None:
    if request.wanted is None and not (request.slowest or request.listed):
        raise UsageError("Name an id, or ask for --slowest or --list; see `qiki trace --help`.")
    if request.wanted is not None and request.slowest:
        raise UsageError("An id and --slowest: give one of them.")
    if request.html is not None and (request.listed or request.as_json):
        raise UsageError("--html shows one trace: leave out --list and --json.")
    if request.wanted is not None and not (0 < len(request.wanted) <= MAX_ID and request.wanted.isprintable()):
        raise UsageError(f"ID: 1 to {MAX_ID} printable characters.")


def _show_list(traces: StoredTraces, store: Path, request: TraceRequest) -> None:
    if request.wanted is not None:
        summaries = traces.summaries(_find(traces, store, request.wanted).trace_ids[: request.limit])
    elif request.slowest:
        summaries = traces.slowest(request.limit, _since_ns(request))
    else:
        summaries = traces.newest(request.limit, _since_ns(request))
    _refuse_none(summaries, traces, request)
    if request.as_json:
        print(summaries_json(summaries))
    else:
        console = _console()
        _print(console, listing(summaries, console.width))


def _show_trace(traces: StoredTraces, store: Path, request: TraceRequest) -> None:
    if request.wanted is not None:
        found = _find(traces, store, request.wanted)
    else:
        slowest = traces.slowest(1, _since_ns(request))
        _refuse_none(slowest, traces, request)
        found = Found((slowest[0].trace_id,))
    trace = build_trace(traces.trace(found.trace_ids[0]), found.spans)
    if request.html is not None:
        _write(request.html, page(trace, request.wanted or ""))
    elif request.as_json:
        print(trace_json(trace))
    else:
        console = _console()
        symbols = UNICODE if console.encoding.lower().startswith("utf") else ASCII
        _print(console, waterfall(trace, console.width, symbols, details=request.details))
        if older := len(found.trace_ids) - 1:
            text = (
                f"{older} older traces{' or more' if found.cut else ''} hold it: `qiki trace {request.wanted} --list`"
            )
            _print(console, [Text(text, style="dim")])


def _find(traces: StoredTraces, store: Path, wanted: str) -> Found:
    """Return the traces that hold the id. Raises CliError that names what was searched, and ids close to it."""
    if (found := traces.find(wanted)).trace_ids:
        return found
    extent = traces.extent()
    newest = f"; the newest began at {ago_text(extent.newest_ns)}" if extent.newest_ns is not None else ""
    close = traces.close_to(wanted)
    raise CliError(
        f"{wanted} is not in {store}: searched trace ids, span ids and all attributes of {extent.spans} spans, "
        f"whole and from the start{'' if len(wanted) >= MIN_PREFIX else f' from {MIN_PREFIX} characters on'}{newest}.\n"
        + (f"Close to it: {', '.join(close)}.\n" if close else "")
        + "A span is there 5 s after its work at the latest, if its trace was sampled; the oldest are deleted."
    )


def _refuse_none(found: list[Summary], traces: StoredTraces, request: TraceRequest) -> None:
    if found:
        return
    newest_ns = traces.extent().newest_ns
    newest = f" The newest span began at {ago_text(newest_ns)}." if newest_ns is not None else ""
    last = duration_text(request.last_ns or 0)
    raise CliError(f"No trace began in the last {last}.{newest} --last asks for a longer time.")


def _since_ns(request: TraceRequest) -> int:
    return 0 if request.last_ns is None else time.time_ns() - request.last_ns


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CliError(f"--html {path}: cannot be written: {error.strerror or error}.") from error
    print(path.resolve().as_uri())


def _console() -> Console:
    """Return the console; without a terminal it is 80 columns wide, unless COLUMNS gives another width."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a name outside of the terminal's alphabet is no error
    return Console(highlight=False, markup=False, emoji=False)


def _print(console: Console, lines: Iterable[Text]) -> None:
    for line in lines:
        console.print(line, no_wrap=True, overflow="ignore", crop=False)

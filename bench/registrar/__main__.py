"""`make bench-registrar`: the registrar against a bare write loop and SQLite, and reading and verifying a long log.

Everything runs in one go on the same disk. Trust the ratios: absolute figures are those of the machine and its load.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.registrar import baselines, long_log
from bench.registrar.producers import EVENTS_A_REQUEST, IN_FLIGHT, PRODUCERS, record
from svc_registrar import wire
from svc_registrar.domain.index import Entry
from svc_registrar.domain.lines import parse
from svc_registrar.log.log import Log

SQLITE_LINES = 5_000
SHORT_LOG = 100_000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=100, help="requests of each producer")
    parser.add_argument("--events", type=int, default=10_000_000, help="events of the long log")
    parser.add_argument("--quick", action="store_true", help="a short form: 20 requests, 300,000 events")
    parser.add_argument("--directory", type=Path, help="where to write: the disk that is measured")
    options = parser.parse_args()
    requests, events = (20, 300_000) if options.quick else (options.requests, options.events)
    console = Console(width=120)
    with tempfile.TemporaryDirectory(prefix="qiki-bench-", dir=options.directory) as directory:
        _recording(console, Path(directory), requests)
        _reading(console, Path(directory), events)


def _recording(console: Console, directory: Path, requests: int) -> None:
    found = asyncio.run(record(directory / "registrar", requests))
    written = baselines.groups(directory / "registrar" / "audit" / "segments")
    lines = [line + b"\n" for group in written for line in group.splitlines()]
    bare = len(lines) / baselines.bare_write_s(directory, written)
    sqlite_lines = lines[:SQLITE_LINES]
    sqlite = len(sqlite_lines) / baselines.sqlite_s(directory, sqlite_lines)
    table = Table("durable events", "events/s", "of (a)", "of (b)", title=_title(len(lines), len(written)))
    log = len(lines) / _log_s(directory / "log", written)
    rows = (
        ("registrar, over gRPC", found.rate),
        ("registrar's log alone, same groups", log),
        ("(a) bare write and fdatasync, same groups", bare),
        ("(b) SQLite, WAL, FULL, each event", sqlite),
    )
    for name, rate in rows:
        table.add_row(name, f"{rate:,.0f}", f"{rate / bare:.2f}", f"{rate / sqlite:.2f}")
    console.print(table)
    cuts = statistics.quantiles(found.latencies_ms, n=100)
    console.print(f"receipt: p50 {cuts[49]:.1f} ms, p99 {cuts[98]:.1f} ms; every receipt is in the log")


def _title(events: int, groups: int) -> str:
    load = f"{PRODUCERS} producers, {IN_FLIGHT} requests of {EVENTS_A_REQUEST} events in flight each"
    return f"{load}; {events:,} events in {groups:,} groups of {events / groups:.0f}"


def _log_s(directory: Path, written: list[bytes]) -> float:
    """Return the seconds to append the same groups to a log: encoding, hashing, tree, index, flush."""
    log = Log.open(directory, "bench", wire.CODEC)
    work: list[tuple[list[bytes], list[Entry]]] = []
    for group in written:
        lines = [line for data in group.splitlines(keepends=True) if (line := parse(data)) is not None]
        work.append(([line.content for line in lines], [wire.CODEC.entry(line) for line in lines]))
    began_s = time.perf_counter()
    for contents, entries in work:
        log.append(contents, entries)
    seconds = time.perf_counter() - began_s
    log.close()
    return seconds


def _reading(console: Console, directory: Path, events: int) -> None:
    readings = {}
    for count in (min(SHORT_LOG, events), events):
        state_dir = directory / f"log of {count}"
        long_log.build(state_dir, count)
        readings[count] = asyncio.run(long_log.read(state_dir))
    table = Table("p99 of the first page, ms", *(f"{count:,} events" for count in readings))
    for name in long_log.FILTERS:
        table.add_row(name, *(f"{reading.p99_ms[name]:.1f}" for reading in readings.values()))
    table.add_row("memory of the process, MB", *(f"{reading.memory_mb:.0f}" for reading in readings.values()))
    console.print(table)
    console.print(
        f"verify: {long_log.verification_rate(directory / f'log of {events}'):,.0f} events/s of processor time"
    )


if __name__ == "__main__":
    main()

"""Baselines: the same bytes in the same groups, written and synced bare; and each line committed alone by SQLite."""

import os
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path

from svc_registrar.domain.lines import parse


def groups(segments: Path) -> list[bytes]:
    """Return the groups in which the registrar wrote its lines: those of one group have the same `synced`."""
    found: dict[int, list[bytes]] = {}
    for path in sorted(segments.iterdir()):
        for data in path.read_bytes().splitlines(keepends=True):
            line = parse(data)
            if line is not None:
                found.setdefault(line.synced, []).append(data)
    return [b"".join(lines) for lines in found.values()]


def bare_write_s(directory: Path, written: Sequence[bytes]) -> float:
    """Return the seconds to write these groups one after another, each with fdatasync."""
    descriptor = os.open(directory / "bare", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    began_s = time.perf_counter()
    for data in written:
        os.write(descriptor, data)
        os.fdatasync(descriptor)
    seconds = time.perf_counter() - began_s
    os.close(descriptor)
    return seconds


def sqlite_s(directory: Path, lines: Sequence[bytes]) -> float:
    """Return the seconds to insert these lines into SQLite, WAL with synchronous=FULL, each its own transaction."""
    connection = sqlite3.connect(directory / "events.sqlite", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE events (sequence INTEGER PRIMARY KEY, line BLOB NOT NULL)")
    began_s = time.perf_counter()
    for line in lines:
        connection.execute("INSERT INTO events (line) VALUES (?)", (line,))
    seconds = time.perf_counter() - began_s
    connection.close()
    return seconds

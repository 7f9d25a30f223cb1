"""Logs of short records for the tests."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from svc_registrar.domain.index import Entry
from svc_registrar.domain.lines import Line
from svc_registrar.log.identity import DIRECTORY, SEGMENTS
from svc_registrar.log.log import Append, Codec, Log, Rotation

FIRST_SEGMENT = f"{1:018}.jsonl"
SMALL = Rotation(bytes=2_000)


def content(text: str) -> bytes:
    return b'"event":' + json.dumps(text).encode()


def entry(text: str) -> Entry:
    return Entry(hashlib.sha256(text.encode()).digest()[:16], 101, 1 + len(text) % 4, "test")


def text_of(line: Line) -> str:
    text: str = json.loads(b"{" + line.content + b"}")["event"]
    return text


CODEC = Codec(lambda body: content(body.decode()), lambda line: entry(text_of(line)))


@contextmanager
def opened(state_dir: Path, bot_id: str = "qiki-01", rotation: Rotation | None = None) -> Iterator[Log]:
    log = Log.open(state_dir, bot_id, CODEC, rotation)
    try:
        yield log
    finally:
        log.close()


def append(log: Log, texts: Sequence[str]) -> Append:
    return log.append([content(text) for text in texts], [entry(text) for text in texts])


def texts(log: Log) -> list[str]:
    return [text_of(log.read(index)) for index in range(log.oldest_index, log.last_index + 1)]


def segments(state_dir: Path) -> list[Path]:
    return sorted((state_dir / DIRECTORY / SEGMENTS).iterdir())


def first_segment(state_dir: Path) -> Path:
    return state_dir / DIRECTORY / SEGMENTS / FIRST_SEGMENT

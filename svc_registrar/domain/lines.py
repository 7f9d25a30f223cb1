"""Records of the log as lines of JSON: what an operator greps is the exact bytes that are hashed. Pure.

    {"index":7,"synced":6,"recorded":"2026-01-02T03:04:05.000000006Z","event":{...},"crc":"0badcafe"}

`index` counts from 1. `synced` is the last index that was on the disk before this line was written: it distinguishes
damage from an unfinished write. `crc` is the CRC-32 of the bytes before `,"crc"`: it finds accidents; the tree finds
intent.
"""

import re
import time
import zlib
from calendar import timegm
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

_HEAD = re.compile(
    rb'\{"index":([1-9][0-9]{0,17}),"synced":(0|[1-9][0-9]{0,17}),'
    rb'"recorded":"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.(\d{9})Z",'
)
_TAIL_BYTES = len(b',"crc":"00000000"}\n')
_NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Line:
    """A whole line: `data` its exact bytes with the newline, `content` the members between the time and the CRC."""

    index: int
    synced: int
    recorded_ns: int
    content: bytes
    data: bytes


def encode(content: bytes, index: int, synced: int, recorded: bytes) -> bytes:
    """Return a line; `content` is JSON members such as `"event":{...}`, `recorded` a time of `time_text`."""
    body = b'{"index":%d,"synced":%d,"recorded":"%b",%b' % (index, synced, recorded, content)
    return b'%b,"crc":"%08x"}\n' % (body, zlib.crc32(body))


def parse(data: bytes) -> Line | None:
    """Return the line of these bytes, or None if they are not a whole line as it was written."""
    body, tail = data[:-_TAIL_BYTES], data[-_TAIL_BYTES:]
    head = _HEAD.match(body)
    if head is None or tail != b',"crc":"%08x"}\n' % zlib.crc32(body):
        return None
    try:
        seconds = _second(head[3])
    except ValueError:
        return None
    recorded_ns = seconds * _NS_PER_S + int(head[4])
    return Line(int(head[1]), int(head[2]), recorded_ns, body[head.end() :], data)


def claimed_index(data: bytes) -> int:
    """Return the index that a line's text states, whole or not; 0 if it states none."""
    head = _HEAD.match(data)
    return int(head[1]) if head else 0


def time_text(unix_ns: int) -> bytes:
    """Return a time as in a line: UTC with nanoseconds."""
    seconds, ns = divmod(unix_ns, _NS_PER_S)
    return b"%b.%09dZ" % (_second_text(seconds), ns)


@lru_cache(maxsize=256)
def _second_text(seconds: int) -> bytes:
    at = time.gmtime(seconds)
    day = f"{at.tm_year:04}-{at.tm_mon:02}-{at.tm_mday:02}"
    return f"{day}T{at.tm_hour:02}:{at.tm_min:02}:{at.tm_sec:02}".encode()


@lru_cache(maxsize=256)
def _second(text: bytes) -> int:
    return timegm(datetime.fromisoformat(text.decode()).timetuple())

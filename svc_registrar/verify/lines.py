"""The lines of a log's segments, in order, as leaf hashes or as bytes."""

import hashlib
from collections.abc import Iterator, Sequence

from svc_registrar.log.segments import Segment

_BLOCK_BYTES = 1024 * 1024
# A longer run without a newline is no line: it is cut there, and is wrong anyway.
_MAX_LINE_BYTES = 64 * 1024 * 1024


def line_blocks(segments: Sequence[Segment]) -> Iterator[list[bytes]]:
    """Yield the lines, each with its newline, in blocks; what follows the last newline of a file is a line without."""
    for segment in segments:
        rest = b""
        with segment.path.open("rb") as file:
            while block := file.read(_BLOCK_BYTES):
                *lines, rest = (rest + block).split(b"\n")
                if len(rest) > _MAX_LINE_BYTES:
                    lines, rest = [*lines, rest], b""
                yield [b"%b\n" % line for line in lines]
        if rest:
            yield [rest]


def hash_blocks(segments: Sequence[Segment]) -> Iterator[list[bytes]]:
    """Yield the leaf hashes of the lines in blocks."""
    sha256 = hashlib.sha256
    for lines in line_blocks(segments):
        yield [sha256(b"\0" + line).digest() for line in lines]


def lines_from(segments: Sequence[Segment], oldest: int, index: int) -> Iterator[bytes]:
    """Yield the lines from position `index` on, where the first line of the segments has the position `oldest`."""
    position = oldest
    for lines in line_blocks(segments):
        if position + len(lines) > index:
            yield from lines[max(0, index - position) :]
        position += len(lines)

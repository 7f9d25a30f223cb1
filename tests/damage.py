"""Damage to a state file: every cut, every flipped bit, zeros, and appended bytes."""

from collections.abc import Iterator

BITS = 8


def cuts(data: bytes) -> Iterator[bytes]:
    """Yield the content cut off before each of its bytes, the empty file first."""
    for length in range(len(data)):
        yield data[:length]


def flips(data: bytes, bits: int = BITS) -> Iterator[tuple[int, bytes]]:
    """Yield an offset and the content with one bit of that byte flipped: every bit in turn, or one if `bits` is 1."""
    for place in range(len(data)):
        for bit in range(bits):
            flipped = 1 << (bit if bits == BITS else place % BITS)
            yield place, data[:place] + bytes((data[place] ^ flipped,)) + data[place + 1 :]


def damaged(data: bytes) -> Iterator[bytes]:
    """Yield every cut, every flipped bit, zeros in place of the content, and the content with bytes appended."""
    yield from cuts(data)
    yield from (content for _place, content in flips(data))
    yield bytes(len(data))
    yield data + b"\n"
    yield data + data

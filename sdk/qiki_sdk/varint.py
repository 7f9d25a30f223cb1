"""The varint of the protobuf encoding."""


def varint(value: int) -> bytes:
    """Return a non-negative number as a base-128 varint."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)

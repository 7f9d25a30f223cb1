"""Keys from the bytes that a terminal sends."""

from typing import Final

MAX_SEQUENCE_BYTES: Final = 16
_ESC: Final = 0x1B
_FINAL: Final = range(0x40, 0x7F)
_SEQUENCES: Final = {
    **{b"[A": "up", b"[B": "down", b"[C": "right", b"[D": "left", b"[Z": "shift-tab"},
    **{b"OA": "up", b"OB": "down", b"OC": "right", b"OD": "left", b"[H": "home", b"[F": "end", b"OH": "home"},
    **{b"OF": "end", b"[5~": "page-up", b"[6~": "page-down", b"[1~": "home", b"[4~": "end"},
}
_SINGLE: Final = {0x09: "tab", 0x7F: "backspace"}


class KeyDecoder:
    """Decoder of keys; a sequence that is not complete is kept until the rest comes."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[str]:
        """Return the keys: a character, or a name such as `up`. Unknown sequences are left out.

        An escape at the end of the data is the key of that name, for terminals send sequences in one piece.
        """
        data, self._rest = self._rest + data, b""
        keys: list[str] = []
        while data:
            key, length = _next_key(data)
            if length == 0:
                self._rest = data[:MAX_SEQUENCE_BYTES]
                break
            if key:
                keys.append(key)
            data = data[length:]
        return keys


def _next_key(data: bytes) -> tuple[str, int]:
    """Return the first key, empty where it has no name, and its length; 0 where more bytes are needed."""
    if data[0] != _ESC:
        return _SINGLE.get(data[0], chr(data[0]) if 0x20 <= data[0] < 0x7F else ""), 1
    if len(data) == 1 or data[1] == _ESC:
        return "escape", 1
    if data[1] == ord("O"):
        return (_SEQUENCES.get(data[1:3], ""), 3) if len(data) > 2 else ("", 0)
    if data[1] != ord("["):
        return "", 2  # Alt with a character
    end = next((place for place in range(2, min(len(data), MAX_SEQUENCE_BYTES)) if data[place] in _FINAL), 0)
    if end:
        return _SEQUENCES.get(data[1 : end + 1], ""), end + 1
    return "", len(data) if len(data) >= MAX_SEQUENCE_BYTES else 0

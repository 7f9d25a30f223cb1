"""The resume token: run and feed, position, and the digest of the event there."""

import base64
import binascii
import hashlib
from dataclasses import dataclass
from struct import Struct

from mesh.serving.errors import TokenMalformedError

# version, epoch, feed, sequence, digest of the payload at that sequence; then a CRC-32 of all these
_LAYOUT = Struct(">B8s8sQ8s")
_CHECK = Struct(">I")
_VERSION = 1
_TEXT_LENGTH = -(-(_LAYOUT.size + _CHECK.size) * 4 // 3)
NO_EVENT = bytes(8)


@dataclass(frozen=True, slots=True)
class Token:
    """A position in a feed: after the event `sequence`, whose payload had `digest`; sequence 0 is before the first."""

    epoch: bytes
    feed: bytes
    sequence: int
    digest: bytes = NO_EVENT

    def encode(self) -> str:
        """Return the token as URL-safe text."""
        body = _LAYOUT.pack(_VERSION, self.epoch, self.feed, self.sequence, self.digest)
        raw = body + _CHECK.pack(binascii.crc32(body))
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode(text: str, field: str = "resume_token") -> Token:
    """Return the token that the text encodes.

    Raises:
        TokenMalformedError: the text is not one that `Token.encode` made; names `field`.
    """
    if len(text) != _TEXT_LENGTH or not text.isascii():
        raise TokenMalformedError(field, f"a token has {_TEXT_LENGTH} characters, this one {len(text)}")
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        raise TokenMalformedError(field, "not base64url") from None
    if base64.urlsafe_b64encode(raw).rstrip(b"=") != text.encode():
        raise TokenMalformedError(field, "not as it was given out")  # the last character has bits that encode nothing
    body, check = raw[: _LAYOUT.size], raw[_LAYOUT.size :]
    if check != _CHECK.pack(binascii.crc32(body)):
        raise TokenMalformedError(field, "damaged: its checksum does not match")
    version, epoch, feed, sequence, digest = _LAYOUT.unpack(body)
    if version != _VERSION:
        raise TokenMalformedError(field, f"version {version} is not known here")
    return Token(epoch, feed, sequence, digest)


def short_digest(data: bytes) -> bytes:
    """Return the first 8 bytes of the data's SHA-256: they distinguish one event, run or feed from another."""
    return hashlib.sha256(data).digest()[:8]

"""Signed checkpoints of a log in the form of C2SP tlog-checkpoint and signed-note. Pure.

A checkpoint is text: the log's origin, its size and its root, each on a line, then an empty line and the signature.
"""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from svc_registrar.domain.merkle import HASH_BYTES

_ED25519 = b"\x01"
_ID_BYTES = 4
_KEY_BYTES = 32
_BODY = re.compile(r"([^\n]+)\n(0|[1-9][0-9]{0,18})\n([A-Za-z0-9+/]{43}=)\n")
_SIGNATURE = re.compile(r"— (\S+) ([A-Za-z0-9+/]+={0,2})\n")
_SIGNATURES = re.compile(f"(?:{_SIGNATURE.pattern.replace('(', '(?:')})+")
_KEY = re.compile(r"([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+={0,2})")


class NoteError(ValueError):
    """A text that is no signed checkpoint of the log, or no key."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of a log: `root` is that of the tree over its first `size` records."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """Return the signed part of the note."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


@dataclass(frozen=True, slots=True)
class Verifier:
    """A public key with its name, in the text form `name+id+key` of signed notes."""

    name: str
    key: bytes

    @classmethod
    def parse(cls, text: str) -> "Verifier":
        """Return the key that the text encodes; raises NoteError."""
        found = _KEY.fullmatch(text.strip())
        data = _decoded(found[3]) if found else b""
        if found is None or data[:1] != _ED25519 or len(data) != 1 + _KEY_BYTES:
            raise NoteError("the key is not an Ed25519 key of the form name+id+base64: take it from the file key.pub")
        verifier = cls(found[1], data[1:])
        if verifier.id.hex() != found[2]:
            raise NoteError(f"the key's id is {found[2]}, that of its name and bytes is {verifier.id.hex()}")
        return verifier

    @property
    def id(self) -> bytes:
        """First 4 bytes of SHA-256 over name, newline, algorithm and key."""
        return hashlib.sha256(self.name.encode() + b"\n" + _ED25519 + self.key).digest()[:_ID_BYTES]

    def text(self) -> str:
        """Return the text form."""
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(_ED25519 + self.key).decode()}"

    def open(self, note: str) -> Checkpoint:
        """Return the checkpoint of a note that this key has signed.

        Raises:
            NoteError: it is not a checkpoint, or no signature on it is this key's.
        """
        body, separator, signatures = note.partition("\n\n")
        checkpoint = parse_body(body + "\n")
        if not separator or not _SIGNATURES.fullmatch(signatures):
            raise NoteError(f"the checkpoint of size {checkpoint.size} does not end in lines of signatures")
        if checkpoint.origin != self.name:
            raise NoteError(f"the checkpoint is of {checkpoint.origin}, the key is of {self.name}")
        if not self.signed(checkpoint.text(), signatures):
            raise NoteError(f"the checkpoint of size {checkpoint.size} has no signature of {self.name} that is true")
        return checkpoint

    def signed(self, text: str, signatures: str) -> bool:
        """Return whether one of the lines of signatures is this key's for the text."""
        for name, encoded in _SIGNATURE.findall(signatures):
            data = _decoded(encoded)
            if name == self.name and data[:_ID_BYTES] == self.id:
                try:
                    Ed25519PublicKey.from_public_bytes(self.key).verify(data[_ID_BYTES:], text.encode())
                except InvalidSignature:
                    continue
                return True
        return False


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key with its name; `seed` is its 32 bytes."""

    name: str
    seed: bytes

    @property
    def verifier(self) -> Verifier:
        """The public key."""
        return Verifier(self.name, Ed25519PrivateKey.from_private_bytes(self.seed).public_key().public_bytes_raw())

    def sign(self, checkpoint: Checkpoint) -> str:
        """Return the checkpoint as a signed note."""
        text = checkpoint.text()
        signature = Ed25519PrivateKey.from_private_bytes(self.seed).sign(text.encode())
        encoded = base64.b64encode(self.verifier.id + signature).decode()
        return f"{text}\n— {self.name} {encoded}\n"

    def text(self) -> str:
        """Return the text form of signed notes, which is secret."""
        return f"PRIVATE+KEY+{self.name}+{self.verifier.id.hex()}+{base64.b64encode(_ED25519 + self.seed).decode()}"

    @classmethod
    def parse(cls, text: str) -> "Signer":
        """Return the private key that the text encodes; raises NoteError."""
        found = _KEY.fullmatch(text.strip().removeprefix("PRIVATE+KEY+"))
        data = _decoded(found[3]) if found else b""
        if found is None or data[:1] != _ED25519 or len(data) != 1 + _KEY_BYTES:
            raise NoteError("the key is not a private Ed25519 key of the form PRIVATE+KEY+name+id+base64")
        signer = cls(found[1], data[1:])
        if signer.verifier.id.hex() != found[2]:
            raise NoteError("the private key is damaged: its id is another")
        return signer


def parse_body(text: str) -> Checkpoint:
    """Return the checkpoint of the signed part of a note; raises NoteError."""
    found = _BODY.fullmatch(text)
    root = _decoded(found[3]) if found else b""
    if found is None or len(root) != HASH_BYTES:
        raise NoteError("the text is not a checkpoint: origin, size and root, each on a line")
    return Checkpoint(found[1], int(found[2]), root)


def _decoded(text: str) -> bytes:
    """Return the bytes of a text in base64; empty where it is none, or not the one text for these bytes."""
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error:
        return b""
    return data if base64.b64encode(data).decode() == text else b""

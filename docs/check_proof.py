"""Check a proof file of `qiki audit export`: python check_proof.py PROOF.json "NAME+ID+KEY"
Needs the package `cryptography` and nothing of QIKI. Prints the proved line; exit status 1 if it is not proved."""

import base64
import hashlib
import json
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def need(condition: bool, text: str) -> None:
    if not condition:
        raise ValueError(text)


def root_of(index: int, size: int, leaf: bytes, path: list[bytes]) -> bytes:
    """Return the root to which the path leads from the leaf: RFC 9162, section 2.1.3.2."""
    place, last, found = index, size - 1, leaf
    for sibling in path:
        need(last > 0, "the path is too long")
        if place % 2 == 1 or place == last:
            found = hashlib.sha256(b"\1" + sibling + found).digest()
            while place % 2 == 0 and place > 0:
                place, last = place // 2, last // 2
        else:
            found = hashlib.sha256(b"\1" + found + sibling).digest()
        place, last = place // 2, last // 2
    need(last == 0, "the path is too short")
    return found


def signed_text(note: str, key: str) -> list[str]:
    """Return what the key has signed: the size of the log and its root."""
    name, key_id, encoded = key.strip().split("+", 2)
    public, (text, signatures) = base64.b64decode(encoded), note.split("\n\n")
    need(hashlib.sha256(name.encode() + b"\n" + public).hexdigest()[:8] == key_id, "the key's id is wrong")
    signature = next(line.split(" ")[2] for line in signatures.splitlines() if line.startswith(f"— {name} "))
    Ed25519PublicKey.from_public_bytes(public[1:]).verify(base64.b64decode(signature)[4:], (text + "\n").encode())
    lines = text.split("\n")
    need(lines[0] == name, "the note is of another log")
    return lines[1:]


def main() -> None:
    proof = json.load(open(sys.argv[1], encoding="utf-8"))
    size, root = signed_text(proof["checkpoint"], sys.argv[2])
    need(json.loads(proof["line"])["index"] == proof["index"], "the line is of another index")
    leaf = hashlib.sha256(b"\0" + proof["line"].encode()).digest()
    found = root_of(proof["index"] - 1, int(size), leaf, [bytes.fromhex(item) for item in proof["hashes"]])
    need(1 <= proof["index"] <= int(size) and base64.b64decode(root) == found, "the line is not in the log")
    print(proof["line"], end="")


if __name__ == "__main__":
    try:
        main()
    except (InvalidSignature, KeyError, ValueError, StopIteration) as error:
        sys.exit(f"NOT PROVED: {error or type(error).__name__}")

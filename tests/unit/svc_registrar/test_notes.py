"""Signed checkpoints: the form of C2SP's signed notes, and the refusal of everything else."""

import pytest

from damage import flips
from svc_registrar.domain.notes import Checkpoint, NoteError, Signer, Verifier

# The key and the note of the documentation of Go's golang.org/x/mod/sumdb/note, which defined the form.
GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_TEXT = (
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
    "\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
SIGNER = Signer("qiki/qiki-01/log", bytes(range(32)))
CHECKPOINT = Checkpoint("qiki/qiki-01/log", 7, bytes(32))


def test_a_key_of_another_implementation_is_read_and_its_signature_verified() -> None:
    key = Verifier.parse(GO_KEY)
    assert (key.name, key.id.hex(), key.text()) == ("PeterNeumann", "c74f20a3", GO_KEY)
    text, _, signatures = GO_TEXT.partition("\n\n")
    assert key.signed(text + "\n", signatures)
    assert not key.signed(text + "!\n", signatures)


def test_a_signed_checkpoint_is_three_lines_an_empty_one_and_the_signature() -> None:
    note = SIGNER.sign(CHECKPOINT)
    lines = note.split("\n")
    assert lines[:4] == ["qiki/qiki-01/log", "7", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", ""]
    assert lines[4].startswith("— qiki/qiki-01/log ")
    assert lines[5:] == [""]
    assert SIGNER.verifier.open(note) == CHECKPOINT


def test_a_note_with_any_bit_flipped_is_refused() -> None:
    note = SIGNER.sign(CHECKPOINT).encode()
    for _place, changed in flips(note):
        with pytest.raises(ValueError):  # noqa: PT011 - a note, or no text at all
            SIGNER.verifier.open(changed.decode())


def test_another_signature_beside_ours_is_accepted_and_ours_is_required() -> None:
    other = Signer("witness", bytes(32))
    ours, theirs = SIGNER.sign(CHECKPOINT), other.sign(CHECKPOINT).split("\n\n")[1]
    assert SIGNER.verifier.open(ours + theirs) == CHECKPOINT
    with pytest.raises(NoteError, match="has no signature of"):
        SIGNER.verifier.open(CHECKPOINT.text() + "\n" + theirs)


def test_a_checkpoint_of_another_log_is_refused_even_if_the_key_signed_it() -> None:
    with pytest.raises(NoteError, match="is of another, the key is of qiki/qiki-01/log"):
        SIGNER.verifier.open(SIGNER.sign(Checkpoint("another", 7, bytes(32))))


def test_keys_survive_their_text_and_damaged_ones_are_refused() -> None:
    assert Signer.parse(SIGNER.text() + "\n") == SIGNER
    assert Verifier.parse(SIGNER.verifier.text()) == SIGNER.verifier
    for _place, changed in flips(SIGNER.verifier.text().encode(), bits=1):
        with pytest.raises(ValueError):  # noqa: PT011
            Verifier.parse(changed.decode())
    for text in ("", "name", "name+00000000+AAAA", SIGNER.text()[:-4]):
        with pytest.raises(NoteError):
            Signer.parse(text)

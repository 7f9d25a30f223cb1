"""`qiki audit prove` and `export`: an event's proof from the registrar, verified here, or written for others."""

import json
from pathlib import Path
from typing import Any

import grpc

from cli.commands.audit.verifying import load_checkpoint, load_key
from cli.errors import CliError
from qiki.registrar.v1 import registrar_service_pb2 as pb
from qiki.registrar.v1.registrar_service_pb2_grpc import RegistrarServiceStub
from qiki_sdk.channel import connect
from qiki_sdk.errors import from_rpc_error
from svc_registrar.domain.merkle import leaf_hash, verify_consistency, verify_inclusion
from svc_registrar.domain.notes import Checkpoint, NoteError

FORMAT = "qiki-audit-proof/1"
_TIMEOUT_S = 20.0


async def run_prove(target: str, index: int, key: str | None, kept: list[Path]) -> None:
    """Fetch and verify an event's proof, and the growth of the log from kept checkpoints; print the result.

    Raises:
        CliError: the registrar cannot be asked, or a proof is false.
    """
    verifier = load_key(key, None) if key is not None else None
    async with connect(target) as channel:
        stub = RegistrarServiceStub(channel)
        proof = await _ask(stub.GetInclusionProof, pb.GetInclusionProofRequest(sequence=index))
        served = await _ask(stub.GetCheckpoint, pb.GetCheckpointRequest())
        if verifier is None:
            print("note: the key was taken from the registrar itself: give yours with --key")
            verifier = load_key(served.public_key, None)
        checkpoint = _signed(proof.checkpoint.note, verifier.open)
        leaf = leaf_hash(proof.line)
        if not verify_inclusion(index - 1, checkpoint.size, leaf, list(proof.hashes), checkpoint.root):
            raise CliError(f"event {index} is not proved: its line does not lead to the root of the checkpoint")
        print(proof.line.decode(), end="")
        print(f"proved: event {index} is in the log of {checkpoint.size} events, {checkpoint.origin}")
        for path in kept:
            await _prove_growth(stub, load_checkpoint(path, verifier), checkpoint)


async def run_export(target: str, index: int, output: Path) -> None:
    """Write an event's proof to a file.

    Raises:
        CliError: the registrar cannot be asked, or the file cannot be written.
    """
    async with connect(target) as channel:
        request = pb.GetInclusionProofRequest(sequence=index)
        proof = await _ask(RegistrarServiceStub(channel).GetInclusionProof, request)
    if not proof.line:
        raise CliError(f"event {index} is no longer kept; only its hash is")
    found = {
        "format": FORMAT,
        "index": proof.sequence,
        "line": proof.line.decode(),
        "tree_size": proof.tree_size,
        "hashes": [item.hex() for item in proof.hashes],
        "checkpoint": proof.checkpoint.note,
    }
    _write(output, json.dumps(found, ensure_ascii=False, indent=2) + "\n")
    print(f"{output}: event {index} with its proof; check it with docs/check_proof.py and the log's public key")


def _write(output: Path, text: str) -> None:
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CliError(f"{output} cannot be written: {error.strerror}") from error


async def _prove_growth(stub: Any, old: Checkpoint, new: Checkpoint) -> None:
    request = pb.GetConsistencyProofRequest(from_size=old.size, to_size=new.size)
    if old.size > new.size:
        raise CliError(f"the log has {new.size} signed events, fewer than the {old.size} of a kept checkpoint")
    proof = await _ask(stub.GetConsistencyProof, request)
    if not verify_consistency(old.size, new.size, old.root, new.root, list(proof.hashes)):
        raise CliError(f"the log is not the one of the kept checkpoint of {old.size} events: its history was changed")
    print(f"proved: the log of {new.size} events begins with the {old.size} events of the kept checkpoint")


def _signed(note: str, verify: Any) -> Checkpoint:
    try:
        checkpoint: Checkpoint = verify(note)
    except NoteError as error:
        raise CliError(f"the registrar's checkpoint is not valid: {error}") from error
    return checkpoint


async def _ask(method: Any, request: Any) -> Any:
    try:
        return await method(request, timeout=_TIMEOUT_S)
    except grpc.aio.AioRpcError as error:
        refusal = from_rpc_error(error)
        raise CliError(f"the registrar refused: {refusal}") from error

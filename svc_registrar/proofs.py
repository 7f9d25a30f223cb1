"""Answers of the read RPCs about the tree: checkpoint, inclusion and consistency. Those with proofs read files."""

import grpc

from mesh.serving.errors import InvalidFieldError, MeshError
from qiki.common.v1.error_pb2 import ErrorReason
from qiki.registrar.v1 import registrar_service_pb2 as pb
from svc_registrar.domain import merkle
from svc_registrar.log.checkpoints import Kept
from svc_registrar.log.errors import RecordUnreadableError
from svc_registrar.log.log import Log


class NothingSignedError(MeshError):
    """The log has no checkpoint yet."""

    code = grpc.StatusCode.FAILED_PRECONDITION
    reason = ErrorReason.ERROR_REASON_NOT_FOUND


def checkpoint(log: Log) -> pb.GetCheckpointResponse:
    """Return the newest checkpoint; raises NothingSignedError."""
    return pb.GetCheckpointResponse(checkpoint=_message(_newest(log)), public_key=log.verifier.text())


def inclusion(log: Log, request: pb.GetInclusionProofRequest) -> pb.GetInclusionProofResponse:
    """Return the proof of one event.

    Raises:
        InvalidFieldError: the tree has no such event.
        NothingSignedError: the log has no checkpoint yet.
    """
    newest = _newest(log)
    size = _size(log, "tree_size", request.tree_size, newest)
    if not 1 <= request.sequence <= size:
        raise InvalidFieldError("sequence", f"is {request.sequence}, the tree has the events 1 to {size}")
    return pb.GetInclusionProofResponse(
        sequence=request.sequence,
        tree_size=size,
        leaf_hash=log.tree.leaves(request.sequence - 1, 1),
        hashes=merkle.inclusion_proof(request.sequence - 1, size, log.tree.node),
        line=_line(log, request.sequence),
        checkpoint=_message(newest),
    )


def consistency(log: Log, request: pb.GetConsistencyProofRequest) -> pb.GetConsistencyProofResponse:
    """Return the proof between two sizes; raises as `inclusion`."""
    newest = _newest(log)
    size = _size(log, "to_size", request.to_size, newest)
    if request.from_size > size:
        raise InvalidFieldError("from_size", f"is {request.from_size}, beyond to_size, which is {size}")
    hashes = merkle.consistency_proof(request.from_size, size, log.tree.node)
    return pb.GetConsistencyProofResponse(
        from_size=request.from_size, to_size=size, hashes=hashes, checkpoint=_message(newest)
    )


def _newest(log: Log) -> Kept:
    newest = log.checkpoints.newest
    if newest is None:
        raise NothingSignedError("no checkpoint is signed yet: the first one follows the first event; try again")
    return newest


def _message(kept: Kept) -> pb.Checkpoint:
    return pb.Checkpoint(size=kept.checkpoint.size, root=kept.checkpoint.root, note=kept.note)


def _size(log: Log, field: str, asked: int, newest: Kept) -> int:
    if asked > log.last_index:
        raise InvalidFieldError(field, f"is {asked}, the log has {log.last_index} events")
    return asked or newest.checkpoint.size


def _line(log: Log, index: int) -> bytes:
    """Return the stored line; empty where retention has removed it, or where it is damaged: the proof shows it."""
    try:
        return log.read(index).data
    except (LookupError, RecordUnreadableError):
        return b""

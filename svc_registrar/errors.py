"""Refusals of the registrar because of its disk, as typed errors."""

import grpc

from mesh.serving.errors import MeshError, StorageFailedError
from qiki.common.v1.error_pb2 import ErrorReason


class LogUnreadableError(MeshError):
    """A record can no longer be read as it was written."""

    code = grpc.StatusCode.DATA_LOSS
    reason = ErrorReason.ERROR_REASON_INTERNAL


def storage_error(error: OSError) -> StorageFailedError:
    """Return the refusal of those who wait for a write that failed."""
    return StorageFailedError("the log cannot be written", error)

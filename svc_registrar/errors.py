"""What the registrar refuses because of its disk, as typed errors."""

import grpc

from mesh.serving.errors import MeshError, StorageFailedError
from qiki.common.v1.error_pb2 import ErrorReason


class LogUnreadableError(MeshError):
    """A record cannot be read any more as it was written."""

    code = grpc.StatusCode.DATA_LOSS
    reason = ErrorReason.ERROR_REASON_INTERNAL


def storage_error(error: OSError) -> StorageFailedError:
    """Return the refusal that a failed write is to those who wait for it."""
    return StorageFailedError("the log cannot be written", error)

"""What the registrar refuses because of its disk, as typed errors."""

import errno

import grpc

from mesh.errors import LimitReachedError, MeshError
from qiki.common.v1.error_pb2 import ErrorReason

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class StorageUnavailableError(MeshError):
    """The log cannot be written now."""

    code = grpc.StatusCode.UNAVAILABLE
    reason = ErrorReason.ERROR_REASON_UNSPECIFIED


class LogUnreadableError(MeshError):
    """A record cannot be read any more as it was written."""

    code = grpc.StatusCode.DATA_LOSS
    reason = ErrorReason.ERROR_REASON_INTERNAL


def storage_error(error: OSError) -> MeshError:
    """Return the refusal that a failed write is to those who wait for it."""
    cause = errno.errorcode.get(error.errno or 0, "UNKNOWN")
    why = f"the log cannot be written: {error.strerror or error}"
    if error.errno in _FULL:
        return LimitReachedError(why, limit="disk", cause=cause)
    return StorageUnavailableError(why, cause=cause)

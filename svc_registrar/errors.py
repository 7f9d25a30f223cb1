"""Refusal of the registrar because of its disk, as a typed error."""

import grpc

from mesh.serving.errors import MeshError
from qiki.common.v1.error_pb2 import ErrorReason


class LogUnreadableError(MeshError):
    """A record can no longer be read as it was written."""

    code = grpc.StatusCode.DATA_LOSS
    reason = ErrorReason.ERROR_REASON_INTERNAL

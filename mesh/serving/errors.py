"""The error tree of refusals, and the one mapping of a refusal to a gRPC status."""

import errno
from collections.abc import Mapping

import grpc
from google.protobuf import any_pb2
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2

from qiki.common.v1.error_pb2 import ErrorReason
from qiki_sdk.errors import ERROR_DOMAIN

# A message may repeat the caller's input. Beyond a client's metadata limit the status itself would be lost.
MAX_MESSAGE_BYTES = 1_000
# The advice to a caller whom a pending write kept out: many writes end in this time.
RETRY_DELAY_S = 1.0
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class StartError(Exception):
    """A service cannot start with its configuration; the text gives the problem and the remedy."""


class MeshError(Exception):
    """A refusal that a caller can act on: a status code, an API reason, and metadata by name.

    `retry_delay_s` is the advice how long to wait before a retry; 0 for none.
    """

    code = grpc.StatusCode.INTERNAL
    reason = ErrorReason.ERROR_REASON_INTERNAL
    retry_delay_s = 0.0

    def __init__(self, message: str, **metadata: str) -> None:
        encoded = message.encode()
        if len(encoded) > MAX_MESSAGE_BYTES:
            message = encoded[:MAX_MESSAGE_BYTES].decode(errors="ignore") + " ..."
        super().__init__(message)
        self.message = message
        self.metadata: Mapping[str, str] = metadata


class InvalidFieldError(MeshError):
    """A request has an invalid field."""

    code = grpc.StatusCode.INVALID_ARGUMENT
    reason = ErrorReason.ERROR_REASON_INVALID_FIELD

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}", field=field)


class TokenMalformedError(InvalidFieldError):
    """A resume token that cannot be decoded, or that belongs to another feed."""

    reason = ErrorReason.ERROR_REASON_RESUME_TOKEN_MALFORMED


class ReaderUnknownError(InvalidFieldError):
    """A name that is not one of the feed's required readers."""

    reason = ErrorReason.ERROR_REASON_READER_UNKNOWN


class RetentionTooShortError(InvalidFieldError):
    """A required reader's confirm interval exceeds what a lossless producer retains: each would wait for the other."""

    reason = ErrorReason.ERROR_REASON_RETENTION_TOO_SHORT

    def __init__(self, feed: str, retention_s: float, confirm_interval_s: float) -> None:
        super().__init__(
            "confirm_interval_s",
            f"{feed}: retention {retention_s:g} s: half of it must exceed the reader's confirm interval "
            f"{confirm_interval_s:g} s; set the producer's retention_s above {2 * confirm_interval_s:g}, "
            "or let the reader confirm more often",
        )
        numbers = {"retention_s": f"{retention_s:g}", "confirm_interval_s": f"{confirm_interval_s:g}"}
        self.metadata = {**self.metadata, **numbers}


class RequestMalformedError(MeshError):
    """Bytes that cannot be decoded as the RPC's request message."""

    code = grpc.StatusCode.INVALID_ARGUMENT
    reason = ErrorReason.ERROR_REASON_REQUEST_MALFORMED


class RunChangedError(MeshError):
    """The token belongs to another run than the one that is served."""

    code = grpc.StatusCode.FAILED_PRECONDITION
    reason = ErrorReason.ERROR_REASON_RUN_CHANGED


class HistoryDivergedError(MeshError):
    """The event at the token's position is another one, or the position will never be reached."""

    code = grpc.StatusCode.FAILED_PRECONDITION
    reason = ErrorReason.ERROR_REASON_HISTORY_DIVERGED


class RunEndedError(MeshError):
    """The request needs a running simulation."""

    code = grpc.StatusCode.FAILED_PRECONDITION
    reason = ErrorReason.ERROR_REASON_RUN_ENDED


class TokenExpiredError(MeshError):
    """The event after the token is no longer retained."""

    code = grpc.StatusCode.OUT_OF_RANGE
    reason = ErrorReason.ERROR_REASON_RESUME_TOKEN_EXPIRED


class RunUnknownError(MeshError):
    """The service does not know its run yet."""

    code = grpc.StatusCode.UNAVAILABLE
    reason = ErrorReason.ERROR_REASON_RUN_UNKNOWN


class ServerDrainingError(MeshError):
    """The server is going away."""

    code = grpc.StatusCode.UNAVAILABLE
    reason = ErrorReason.ERROR_REASON_DRAINING


class LimitReachedError(MeshError):
    """A limit of the server is reached."""

    code = grpc.StatusCode.RESOURCE_EXHAUSTED
    reason = ErrorReason.ERROR_REASON_LIMIT_REACHED


class OverloadedError(LimitReachedError):
    """More requests wait than the server takes at a time; a retry can succeed."""

    retry_delay_s = RETRY_DELAY_S


class NotFoundError(MeshError):
    """The requested object does not exist, or no longer does."""

    code = grpc.StatusCode.NOT_FOUND
    reason = ErrorReason.ERROR_REASON_NOT_FOUND


class TruthNotServedError(MeshError):
    """The true targets behind the frames are not served here."""

    code = grpc.StatusCode.UNIMPLEMENTED
    reason = ErrorReason.ERROR_REASON_TRUTH_NOT_SERVED


class StorageFailedError(MeshError):
    """Data that must be durable could not be written: the disk is full, or another error."""

    code = grpc.StatusCode.UNAVAILABLE
    reason = ErrorReason.ERROR_REASON_STORAGE_FAILED
    retry_delay_s = RETRY_DELAY_S

    def __init__(self, what: str, error: OSError) -> None:
        """Refuse because of `what`, such as "the log cannot be written", and of the system's error."""
        cause = errno.errorcode.get(error.errno or 0, "UNKNOWN")
        super().__init__(f"{what}: {error.strerror or error}", cause=cause)
        if error.errno in _FULL:
            self.code = grpc.StatusCode.RESOURCE_EXHAUSTED


def to_status(error: MeshError) -> status_pb2.Status:
    """Return the refusal as a `google.rpc.Status` with its `ErrorInfo`.

    A `BadRequest` follows where a field is wrong, a `RetryInfo` where a retry can succeed.
    """
    status = status_pb2.Status(code=code_pb2.Code.Value(error.code.name), message=error.message)
    info = error_details_pb2.ErrorInfo(
        reason=ErrorReason.Name(error.reason).removeprefix("ERROR_REASON_"),
        domain=ERROR_DOMAIN,
        metadata=dict(error.metadata),
    )
    details: list[Message] = [info]
    if field := error.metadata.get("field"):
        violation = error_details_pb2.BadRequest.FieldViolation(field=field, description=error.message)
        details.append(error_details_pb2.BadRequest(field_violations=[violation]))
    if error.retry_delay_s:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromNanoseconds(round(error.retry_delay_s * 1e9))
        details.append(retry)
    for detail in details:
        packed = any_pb2.Any()
        packed.Pack(detail)
        status.details.append(packed)
    return status

"""Refusals of a stream or a call, as typed errors with the reason and the metadata of the status."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

ERROR_DOMAIN = "qiki.dev"
_DETAILS_KEY = "grpc-status-details-bin"


class QikiError(Exception):
    """A refusal by a server of the mesh.

    Attributes:
        code: the gRPC status code.
        reason: the name of a `qiki.common.v1.ErrorReason` without its prefix; empty if the server gave none.
        metadata: details of the refusal by name, such as `field` or `oldest_resume_token`.
        retry_delay_s: the server's advice how long to wait before a retry; 0 where it gave none.
    """

    def __init__(
        self,
        code: grpc.StatusCode,
        message: str,
        reason: str = "",
        metadata: Mapping[str, str] | None = None,
        retry_delay_s: float = 0.0,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.reason = reason
        self.metadata: Mapping[str, str] = MappingProxyType(dict(metadata or {}))
        self.retry_delay_s = retry_delay_s

    def __str__(self) -> str:
        return f"{self.code.name} {self.reason}: {self.message}" if self.reason else f"{self.code.name}: {self.message}"


class RunChangedError(QikiError):
    """The server serves another run than the token's: discard the state of the old run and start from scratch."""


class HistoryDivergedError(QikiError):
    """The server's history differs from the one that the token was taken from."""


class ResumeTokenExpiredError(QikiError):
    """The next event is gone. `metadata["oldest_resume_token"]` resumes at the oldest event still retained."""


class InvalidFieldError(QikiError):
    """A field of the request is wrong; `metadata["field"]` names it."""


class RetentionTooShortError(InvalidFieldError):
    """The producer's retention is too short for the reader's confirm interval: one of the two settings must change."""


_BY_REASON: Mapping[str, type[QikiError]] = MappingProxyType(
    {
        "RUN_CHANGED": RunChangedError,
        "HISTORY_DIVERGED": HistoryDivergedError,
        "RESUME_TOKEN_EXPIRED": ResumeTokenExpiredError,
        "INVALID_FIELD": InvalidFieldError,
        "RESUME_TOKEN_MALFORMED": InvalidFieldError,
        "READER_UNKNOWN": InvalidFieldError,
        "RETENTION_TOO_SHORT": RetentionTooShortError,
    }
)


def from_rpc_error(error: grpc.aio.AioRpcError) -> QikiError:
    """Return the refusal that a gRPC error carries."""
    message = error.details() or ""
    info, delay_s = error_details_pb2.ErrorInfo(), 0.0
    for detail in _details(error):
        found, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
        if detail.Unpack(found) and found.domain == ERROR_DOMAIN:
            info = found
        elif detail.Unpack(retry):
            delay_s = max(0.0, retry.retry_delay.ToNanoseconds() / 1e9)
    return _BY_REASON.get(info.reason, QikiError)(error.code(), message, info.reason, info.metadata, delay_s)


def _details(error: grpc.aio.AioRpcError) -> Iterator[Any]:
    for key, value in error.trailing_metadata() or ():
        if key != _DETAILS_KEY:
            continue
        try:
            status = status_pb2.Status.FromString(value if isinstance(value, bytes) else value.encode())
        except DecodeError:  # not by a server of the mesh: a proxy in between may answer too
            return
        yield from status.details

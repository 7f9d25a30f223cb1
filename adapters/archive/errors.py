"""Archive errors that JetStream causes, and the one function that maps them to typed gRPC errors."""

from collections.abc import Iterator
from contextlib import contextmanager

import grpc

from adapters.archive.index import TooManyRunsError
from adapters.jetstream.client.errors import JetStreamError
from adapters.jetstream.codec.stored_event import NotABridgesError
from mesh.serving.errors import LimitReachedError, MeshError, RunUnknownError
from qiki.common.v1.error_pb2 import ErrorReason


class ArchiveUnreadableError(MeshError):
    """A channel's subject holds a message that no bridge wrote."""

    code = grpc.StatusCode.DATA_LOSS
    reason = ErrorReason.ERROR_REASON_INTERNAL


@contextmanager
def refusals(channel: str) -> Iterator[None]:
    """Map JetStream errors to errors that a caller can act on."""
    try:
        yield
    except JetStreamError as error:
        raise RunUnknownError(f"{channel}: {error}") from error
    except NotABridgesError as error:
        raise ArchiveUnreadableError(f"{channel}: {error}") from error
    except TooManyRunsError as error:
        raise LimitReachedError(f"{channel}: {error}", limit="runs") from error

"""Client for the QIKI mesh: one `async for` per stream that survives restarts."""

from qiki_sdk.backoff import Backoff
from qiki_sdk.channel import connect
from qiki_sdk.crossing import ArchiveSource
from qiki_sdk.errors import (
    HistoryDivergedError,
    InvalidFieldError,
    QikiError,
    ResumeTokenExpiredError,
    RetentionTooShortError,
    RunChangedError,
)
from qiki_sdk.stream import Event, Idle, Stream, StreamSettings

__all__ = [
    "ArchiveSource",
    "Backoff",
    "Event",
    "HistoryDivergedError",
    "Idle",
    "InvalidFieldError",
    "QikiError",
    "ResumeTokenExpiredError",
    "RetentionTooShortError",
    "RunChangedError",
    "Stream",
    "StreamSettings",
    "connect",
]

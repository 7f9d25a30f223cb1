"""Crossing over: a reader whose token has expired on the live stream reads on in the archive, and goes back."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import grpc

from qiki.archive.v1.archive_service_pb2 import WatchArchiveRequest
from qiki.archive.v1.archive_service_pb2_grpc import ArchiveServiceStub
from qiki_sdk.errors import ResumeTokenExpiredError, RunChangedError
from qiki_sdk.stream import Event, Idle, OnState, Stream, StreamSettings

if TYPE_CHECKING:  # the generated stub exists for the type checker alone
    from qiki.archive.v1.archive_service_pb2_grpc import ArchiveServiceAsyncStub


class ArchiveSource:
    """One channel of an archive: where a `Stream` reads what its live stream no longer has.

    ```
    archive = ArchiveSource(connect("127.0.0.1:50056"), "frames")
    frames = Stream[RadarFrame](stub.WatchFrames, request, archive=archive)
    ```

    An archive has frames with their detections as messages, also for a reader that asks the live stream for columns:
    `columns.detection_columns` reads both alike.
    """

    def __init__(self, channel: grpc.aio.Channel, name: str) -> None:
        """Make a source; nothing is opened before it is needed.

        Args:
            channel: a channel to the archive; the caller's to close.
            name: the archived channel's name, such as `frames`.
        """
        self._stub: ArchiveServiceAsyncStub = ArchiveServiceStub(channel)
        self._name = name

    async def detour(
        self, refused: ResumeTokenExpiredError, resume_token: str, settings: StreamSettings, on_state: OnState
    ) -> AsyncGenerator[Event[Any] | Idle, None]:
        """Yield what the archive has after the token, until it is time to try the live stream again.

        That is where the archive's newest event was when it was opened, and at least where the live stream's oldest
        was when it refused; or when the archive, too, has nothing more to say for the length of its heartbeat.

        Raises:
            QikiError: the archive refuses. Where it does not have the run, or no more of it than was read, the live
                stream's refusal stands.
        """
        request = WatchArchiveRequest(channel=self._name, resume_token=resume_token)
        stream = Stream[Any](
            self._stub.WatchArchive, request, settings, on_state=lambda state: on_state(f"archive: {state}")
        )
        goal, opened, found = int(refused.metadata.get("oldest_sequence", "1")) - 1, False, False
        try:
            async with aclosing(stream.items()) as items:
                async for item in items:
                    yield item
                    if isinstance(item, Event):
                        found = True
                        if item.context.sequence >= goal:
                            return
                    elif opened:
                        return
                    else:
                        goal, opened = max(goal, item.heartbeat.last_sequence), True
        except RunChangedError as error:
            raise refused from error
        if not found:  # a later run follows in the archive: nothing will close the gap
            raise refused

"""Detour through the archive: a reader with an expired token on the live stream reads the archive, and then returns."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import grpc

from qiki.archive.v1.archive_service_pb2 import WatchArchiveRequest
from qiki.archive.v1.archive_service_pb2_grpc import ArchiveServiceStub
from qiki_sdk.errors import ResumeTokenExpiredError, RunChangedError
from qiki_sdk.stream import Event, Idle, OnState, Stream, StreamSettings

if TYPE_CHECKING:  # the generated stub exists only for the type checker
    from qiki.archive.v1.archive_service_pb2_grpc import ArchiveServiceAsyncStub


class ArchiveSource:
    """One channel of an archive: where a `Stream` reads what its live stream no longer has.

    ```
    archive = ArchiveSource(connect("127.0.0.1:50056"), "frames")
    frames = Stream[RadarFrame](stub.WatchFrames, request, archive=archive)
    ```

    An archive has frames with their detections as messages, also for a reader that asks the live stream for columns:
    `columns.detection_columns` reads both.
    """

    def __init__(self, channel: grpc.aio.Channel, name: str) -> None:
        """Make a source; it opens no stream before it is needed.

        Args:
            channel: a channel to the archive, which the caller closes.
            name: the archived channel's name, such as `frames`.
        """
        self._stub: ArchiveServiceAsyncStub = ArchiveServiceStub(channel)
        self._name = name

    async def detour(
        self, refused: ResumeTokenExpiredError, resume_token: str, settings: StreamSettings, on_state: OnState
    ) -> AsyncGenerator[Event[Any] | Idle, None]:
        """Yield the archive's events after the token, until it is time to try the live stream again.

        It is time at the archive's newest event when it was opened, and no earlier than the live stream's oldest event
        when it refused; or when the archive has no further event for the length of its heartbeat.

        Raises:
            QikiError: the archive refuses. Where it lacks the run, or has no later event of it, the live stream's
                refusal is raised.
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
        if not found:  # the archive goes on with a later run: nothing will close the gap
            raise refused

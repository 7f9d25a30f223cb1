"""Stored events: a bridge's message in JetStream, parsed back into the event that it carries."""

from dataclasses import dataclass

from adapters.jetstream.client.messages import StoredMessage
from adapters.jetstream.codec.cloudevents import HeaderError, from_headers
from mesh.feeds.token import Token, decode
from mesh.serving.errors import MeshError
from qiki.common.v1.stream_pb2 import EventContext


class NotABridgesError(Exception):
    """A message on a bridged subject that no bridge wrote; the text names subject, stream sequence and header."""


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One event: the stream sequence of its message (not its own), its context, its feed's token and its payload."""

    stream_sequence: int
    context: EventContext
    token: Token
    payload: bytes

    @property
    def sequence(self) -> int:
        """The event's own sequence: contiguous within its run."""
        return self.context.sequence

    @property
    def time_ns(self) -> int:
        """The event's time, in nanoseconds since the Unix epoch."""
        return self.context.time.ToNanoseconds()

    @property
    def created_ns(self) -> int:
        """The creation time of the event's run, in ns since the Unix epoch. Along a subject it never decreases."""
        return self.context.run_created.ToNanoseconds()


def read_stored(message: StoredMessage) -> StoredEvent:
    """Parse a message into its event.

    Raises:
        NotABridgesError: its headers are not those that a bridge writes.
    """
    where = f"{message.subject}: message {message.sequence} is not a bridge's"
    try:
        read = from_headers(message.headers)
        token = decode(read.resume_token)
    except (HeaderError, MeshError) as error:
        raise NotABridgesError(f"{where}: {error}") from error
    if token.sequence != read.context.sequence:
        problem = f"its token is of event {token.sequence}, its ce-sequence is {read.context.sequence}"
        raise NotABridgesError(f"{where}: {problem}")
    return StoredEvent(message.sequence, read.context, token, message.payload)

"""Check of one whole subject: every event that was produced is stored, once and in order."""

from collections.abc import Iterator

from bus import Message
from contract import order_problems


class WholeFeed:
    """The messages of a subject of a new mesh, up to the last sequence that its source has produced."""

    def __init__(self, subject: str, last: int) -> None:
        self.subject = subject
        self.messages: list[Message] = []
        self._last = last

    def take(self, message: Message) -> None:
        """Keep the message without its payload."""
        self.messages.append(Message(message.subject, message.headers, b""))

    def missing(self) -> str:
        """Return the events that are still missing; a repeated event counts as none that is missing."""
        found = len({message.sequence for message in self.messages})
        return f"{self._last - found} of {self._last} events" if found < self._last else ""

    def problems(self) -> Iterator[str]:
        """Yield each difference from sequences that are contiguous from 1 and ids that are all different."""
        if not self.messages:
            return
        yield from order_problems(self.messages)
        ids = {message.headers.get("ce-id", "") for message in self.messages}
        if len(ids) != len(self.messages) or "" in ids:
            yield f"{self.subject}: {len(self.messages)} messages have {len(ids)} different ids"

"""Send queue: messages read and not yet written, bounded in count and bytes, taken in batches."""

from collections import deque

from adapters.jetstream.codec.outgoing import OutgoingMessage
from mesh.feeds.notifier import Notifier

MAX_MESSAGES = 1_000
MAX_BYTES = 16 * 1024 * 1024
SLICE_S = 0.5


class SendQueue:
    """A queue of messages; `put` waits while it is full, which slows the reader."""

    def __init__(self) -> None:
        self._items: deque[OutgoingMessage] = deque()
        self._bytes = 0
        self._filled = Notifier()
        self._emptied = Notifier()
        self.ended = False
        self.full = False  # whether the reader waits for room

    def __len__(self) -> int:
        return len(self._items)

    async def put(self, item: OutgoingMessage) -> None:
        """Add a message; wait for room."""
        size_bytes = item.message.size_bytes
        while self._items and (len(self._items) >= MAX_MESSAGES or self._bytes + size_bytes > MAX_BYTES):
            self.full = True
            await self._emptied.wait(SLICE_S)
        self.full = False
        self._items.append(item)
        self._bytes += size_bytes
        if len(self._items) == 1:
            self._filled.notify()

    def end(self) -> None:
        """Mark the queue as ended: no more messages will be put."""
        self.ended = True
        self._filled.notify()

    async def wait(self) -> bool:
        """Wait for a message, for at most `SLICE_S`; return whether there is one."""
        if not self._items and not self.ended:
            await self._filled.wait(SLICE_S)
        return bool(self._items)

    def peek(self, limit: int) -> list[OutgoingMessage]:
        """Return up to `limit` of the oldest messages; they stay until dropped."""
        return [self._items[index] for index in range(min(limit, len(self._items)))]

    def tokens(self) -> list[str]:
        """Return the resume tokens of all messages, oldest first."""
        return [item.resume_token for item in self._items]

    def drop(self, count: int) -> None:
        """Remove the oldest messages, which are stored."""
        for _ in range(count):
            item = self._items.popleft()
            self._bytes -= item.message.size_bytes
            item.stored()
        self._emptied.notify()

    def abandon(self, why: str) -> None:
        """Give all messages up: they will be read again from their source."""
        for item in self._items:
            item.abandoned(why)
        self._items.clear()
        self._bytes = 0

"""The history of a feed: its events in one run, and the tokens that name positions among them."""

from collections.abc import Callable

from mesh.feeds.store import Entry, EventStore
from mesh.feeds.token import Token, decode, short_digest
from mesh.serving.errors import HistoryDivergedError, RunChangedError, TokenExpiredError, TokenMalformedError


class History:
    """The events of one feed in one run, by sequence and by token."""

    def __init__(self, feed: str, run_id: str, store: EventStore) -> None:
        """Name the feed and the run of the stored events; an empty run id means that the run is not known yet."""
        self._feed = feed
        self._run_id = run_id
        self._store = store
        self._feed_digest = short_digest(feed.encode())
        self._epoch = short_digest(run_id.encode()) if run_id else b""

    def token_at(self, sequence: int, digest: bytes) -> Token:
        """Return the token of an event of this feed."""
        return Token(self._epoch, self._feed_digest, sequence, digest)

    def place(self, sequence: int) -> Token:
        """Return the token of a position that the store has at hand."""
        return self.token_at(sequence, self._store.digest_at(sequence) or bytes(8))

    def decode(self, text: str) -> Token:
        """Return the token that the text encodes.

        Raises:
            TokenMalformedError: it is no token, or of another feed.
            RunChangedError: it is of another run.
        """
        token = decode(text)
        if token.feed != self._feed_digest:
            raise TokenMalformedError("resume_token", f"is of another feed than {self._feed}")
        if token.epoch != self._epoch:
            message = f"{self._feed}: the token is of another run; this is run {self._run_id}"
            raise RunChangedError(message, run_id=self._run_id)
        return token

    def check(self, token: Token, *, replaying: bool) -> Token:
        """Return the token if reading can resume after it; while the producer replays, also one ahead of the events.

        Raises:
            HistoryDivergedError: the event at its position has another digest, or the run never reaches the position.
            TokenExpiredError: the event after it is no longer retained.
        """
        store = self._store
        last, oldest = store.last_sequence, store.oldest_sequence
        if token.sequence > last:
            if not replaying:
                raise self._diverged(token, f"the feed's last event is {last}")
            return token
        if token.sequence < oldest - 1:
            raise TokenExpiredError(
                f"{self._feed}: event {token.sequence + 1} is no longer retained, the oldest is {oldest}",
                oldest_resume_token=self.place(oldest - 1).encode(),
                oldest_sequence=str(oldest),
            )
        digest = store.digest_at(token.sequence)
        if digest is not None and digest != token.digest:
            raise self._diverged(token, "another event is stored there")
        return token

    def newest(self, accept: Callable[[Entry], bool]) -> Entry | None:
        """Return the newest event at hand that `accept` takes, or None."""
        for sequence in range(self._store.last_sequence, self._store.oldest_sequence - 1, -1):
            entry = self._store.get(sequence)
            if entry is not None and accept(entry):
                return entry
        return None

    def _diverged(self, token: Token, why: str) -> HistoryDivergedError:
        return HistoryDivergedError(
            f"{self._feed}: the token's event {token.sequence} is not in this history: {why}",
            sequence=str(token.sequence),
        )

"""The end of a process: requested by a signal or by the parent's death, and forced if it exceeds a time limit."""

import asyncio
import faulthandler
import logging
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable
from threading import Thread
from typing import IO

from mesh.serving.errors import StartError

EXIT_WITH_PARENT = "QIKI_EXIT_WITH_PARENT"
SIGNALS = (signal.SIGINT, signal.SIGTERM)
# From the first signal, or the parent's death, to the end of the process: five seconds less the time to notice.
END_WITHIN_S = 4.5
EXIT_FORCED = 3
# Time limit for logging why the process is ended by force.
LAST_WORDS_S = 0.3
_STDIN = 0
_WAKE = b"\0"
_LOG = logging.getLogger(__name__)


class EndWatch:
    """A thread that asks the event loop to stop, and ends the process if it does not stop in time.

    It receives signals through a socket that the signal handler itself writes to, and detects the parent's death by the
    end of standard input: neither needs a running event loop. Only code that never releases the interpreter lock can
    delay it.
    """

    def __init__(self, stop: Callable[[], None], end_within_s: float = END_WITHIN_S) -> None:
        """Make the watch; `stop` is called once, from the watch's thread, when the process is to end.

        Raises:
            StartError: the process is to end with its parent, and its standard input is no pipe.
        """
        self._stop = stop
        self._end_within_s = end_within_s
        self._selector = selectors.DefaultSelector()
        self._end_at_s: float | None = None
        if os.environ.get(EXIT_WITH_PARENT) == "1":
            try:
                self._selector.register(_STDIN, selectors.EVENT_READ, self._on_stdin)
            except (OSError, ValueError) as error:
                raise StartError(
                    f"{EXIT_WITH_PARENT}=1 needs a pipe as standard input: {getattr(error, 'strerror', error)}"
                ) from error

    def start(self) -> None:
        """Take over the signals and start watching; from the main thread, for the rest of the process's life."""
        self._heard, self._told = socket.socketpair()
        for end in (self._heard, self._told):
            end.setblocking(False)
        self._selector.register(self._heard, selectors.EVENT_READ, self._on_signals)
        signal.set_wakeup_fd(self._told.fileno(), warn_on_full_buffer=False)
        for number in SIGNALS:
            signal.signal(number, lambda _number, _frame: None)  # the watch receives it through the socket
        Thread(target=self._watch, name="end-watch", daemon=True).start()

    def begin(self) -> None:
        """Start the time limit for a process that ends without a request."""
        if self._end_at_s is None:
            self._end_at_s = time.monotonic() + self._end_within_s
            self._told.send(_WAKE)

    def _watch(self) -> None:
        while True:
            left_s = None if self._end_at_s is None else self._end_at_s - time.monotonic()
            if left_s is not None and left_s <= 0:
                self._force()
            for key, _events in self._selector.select(left_s):
                key.data()

    def _on_signals(self) -> None:
        """Start the shutdown at the first signal, and end the process immediately at the second."""
        for number in self._heard.recv(4096):
            if number not in SIGNALS:
                continue
            if self._end_at_s is not None:
                os._exit(128 + number)
            self._ask()

    def _on_stdin(self) -> None:
        if not os.read(_STDIN, 4096):
            self._selector.unregister(_STDIN)
            if self._end_at_s is None:
                self._ask()

    def _ask(self) -> None:
        self._end_at_s = time.monotonic() + self._end_within_s
        self._stop()

    def _force(self) -> None:
        # In a thread of its own: the process may be waiting for the log itself.
        words = Thread(target=_say_where, args=(self._end_within_s, sys.stderr), daemon=True)
        words.start()
        words.join(LAST_WORDS_S)
        os._exit(EXIT_FORCED)


def ask_to_stop(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> Callable[[], None]:
    """Return a function that sets the loop's event from another thread; harmless once the loop is closed."""

    def ask() -> None:
        try:
            loop.call_soon_threadsafe(stop.set)
        except RuntimeError:
            _LOG.debug("the event loop is closed already")

    return ask


def _say_where(within_s: float, stream: IO[str]) -> None:
    _LOG.critical("the process did not end in time and is ended by force", extra={"within_s": within_s})
    faulthandler.dump_traceback(file=stream, all_threads=True)

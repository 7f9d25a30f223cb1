"""Two-stage shutdown: the first signal cancels the work, which then ends in order; the second ends it at once."""

import asyncio
import signal
from collections.abc import Callable
from types import TracebackType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# After SIGHUP the terminal is gone, and nobody can press Ctrl-C a second time: this timeout is the second signal.
HANGUP_LIMIT_S = 3.0


class SignalShutdown:
    """An `async with` block cancelled by SIGINT, SIGTERM and SIGHUP.

    The block ends without an exception when a signal cancelled it; `first` then names the signal. `second` is set by a
    second signal, or `HANGUP_LIMIT_S` after a SIGHUP, for code that ends the work meanwhile.
    """

    def __init__(self, on_first: Callable[[signal.Signals], None]) -> None:
        self.first: signal.Signals | None = None
        self.second = asyncio.Event()
        self._on_first = on_first

    async def __aenter__(self) -> "SignalShutdown":
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        loop = asyncio.get_running_loop()
        # Ignored signals stay ignored: `nohup qiki up` is meant to survive SIGHUP.
        self._handled = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
        for number in self._handled:
            loop.add_signal_handler(number, self._signalled, number)
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        loop = asyncio.get_running_loop()
        for number in self._handled:
            loop.remove_signal_handler(number)
        if self.first is None:
            return False
        # As asyncio.timeout does: swallow the cancellation only if it was ours and there was no other request.
        return self._task.uncancel() == 0 and exc_type is asyncio.CancelledError

    def _signalled(self, number: signal.Signals) -> None:
        if self.first is None:
            self.first = number
            self._task.cancel()
            if number is signal.SIGHUP:
                asyncio.get_running_loop().call_later(HANGUP_LIMIT_S, self.second.set)
            self._on_first(number)  # last: it prints, perhaps to a closed terminal
        else:
            self.second.set()

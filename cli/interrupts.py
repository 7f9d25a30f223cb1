"""Two-stage shutdown: the first signal cancels the work, which then ends in order; the second says: at once."""

import asyncio
import signal
from collections.abc import Callable
from types import TracebackType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """An `async with` block that SIGINT, SIGTERM and SIGHUP cancel.

    The block ends without an exception when a signal cancelled it; `first` then names the signal. `second` is set by a
    second signal, for whoever is ending things meanwhile.
    """

    def __init__(self, on_first: Callable[[signal.Signals], None]) -> None:
        self.first: signal.Signals | None = None
        self.second = asyncio.Event()
        self._on_first = on_first

    async def __aenter__(self) -> "Interrupts":
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        loop = asyncio.get_running_loop()
        # What was ignored stays ignored: `nohup qiki up` is meant to survive SIGHUP.
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
        # As asyncio.timeout does: swallow the cancellation only where it was ours and nobody else asked for one.
        return self._task.uncancel() == 0 and exc_type is asyncio.CancelledError

    def _signalled(self, number: signal.Signals) -> None:
        if self.first is None:
            self.first = number
            self._on_first(number)
            self._task.cancel()
        else:
            self.second.set()

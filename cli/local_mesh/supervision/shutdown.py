"""Two-stage shutdown: the first signal cancels the work, which then ends in order; the second says: at once."""

import asyncio
import signal
from collections.abc import Callable
from types import TracebackType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# The terminal is gone, and with it whoever could press Ctrl-C a second time: after so long that is done for them.
HANGUP_LIMIT_S = 3.0


class Interrupts:
    """An `async with` block that SIGINT, SIGTERM and SIGHUP cancel.

    The block ends without an exception when a signal cancelled it; `first` then names the signal. `second` is set by a
    second signal, or `HANGUP_LIMIT_S` after a SIGHUP, for whoever is ending things meanwhile.
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
            self._task.cancel()
            if number is signal.SIGHUP:
                asyncio.get_running_loop().call_later(HANGUP_LIMIT_S, self.second.set)
            self._on_first(number)  # after all that counts: it prints, perhaps to a terminal that is gone
        else:
            self.second.set()

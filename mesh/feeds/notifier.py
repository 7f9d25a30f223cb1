"""Notifier: code that changes shared state notifies, code that depends on it waits, with a time limit."""

import asyncio


class Notifier:
    """Wakes every waiter of one event loop at each notification."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def notify(self) -> None:
        """Wake every current waiter."""
        event, self._event = self._event, asyncio.Event()
        event.set()

    async def wait(self, timeout_s: float) -> bool:
        """Wait for the next notification; return whether it came in time."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._event.wait()
        except TimeoutError:
            return False
        return True

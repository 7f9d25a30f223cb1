"""A change to wait for: whoever alters shared state notifies, whoever depends on it waits, with a bound."""

import asyncio


class Change:
    """Wakes every waiter of one event loop at each notification."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def notify(self) -> None:
        """Wake everyone who waits now."""
        event, self._event = self._event, asyncio.Event()
        event.set()

    async def wait(self, timeout_s: float) -> bool:
        """Wait for the next notification; return whether there was one in time."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._event.wait()
        except TimeoutError:
            return False
        return True

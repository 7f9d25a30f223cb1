"""The rounds of questions: each service has its own, so that one that does not answer delays no other."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from cli.views.top.collect.endpoints import Endpoints, Source
from cli.views.top.collect.questions import Asker
from cli.views.top.model.answer import UNREACHABLE, Answer
from mesh.tasks import raise_if_cancelled

PERIOD_S: Final = 1.0


class EndpointBook:
    """The endpoints of the mesh, read again every PERIOD_S: a restarted process has another id, a new mesh other ports.

    While there are none to read, the last ones are kept and `gone` is true.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._known: Endpoints = source.read() or {}
        self.gone = not self._known

    def read(self) -> Endpoints:
        """Return the last endpoints known, by name."""
        return self._known

    @property
    def where(self) -> str:
        """The place of the mesh, in words."""
        return f"{self._source.where} (the mesh has ended)" if self.gone else self._source.where

    async def follow(self) -> None:
        """Read the endpoints again until cancelled."""
        while True:
            await asyncio.sleep(PERIOD_S)
            found = await asyncio.to_thread(self._source.read)
            self.gone = found is None
            self._known = self._known if found is None else found


async def poll(name: str, book: EndpointBook, take: Callable[[Answer], None], rounds: int | None = None) -> None:
    """Ask a service every PERIOD_S and pass its answers to `take`: so many times, or until cancelled."""
    count = 0
    async with Asker() as asker:
        while rounds is None or count < rounds:
            raise_if_cancelled()
            count += 1
            next_s = time.monotonic() + PERIOD_S
            endpoint = book.read().get(name)
            if endpoint is None:
                take(Answer(name, time.monotonic(), UNREACHABLE, "its address is not known"))
            else:
                take(await asker.ask(endpoint))
            if count != rounds:
                await asyncio.sleep(max(0.0, next_s - time.monotonic()))

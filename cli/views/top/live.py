"""The live view: keys, rounds of questions and streams change the state, and the screen follows."""

import asyncio
import os
import signal
import time
from collections import deque
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from cli.local_mesh.supervision.shutdown import SignalShutdown
from cli.views.top.collect.poll import EndpointBook, poll
from cli.views.top.collect.streams import watch_audit, watch_frames, watch_tracks
from cli.views.top.model.answer import Answer
from cli.views.top.model.audit import AuditTrail, with_events
from cli.views.top.model.mesh import advance, new_mesh
from cli.views.top.model.radar import RadarPicture, with_frame, with_tracks
from cli.views.top.snapshot import Snapshot
from cli.views.top.terminal.keys import KeyDecoder
from cli.views.top.terminal.messages import deferred_messages
from cli.views.top.terminal.screen import Screen
from cli.views.top.ui import Ui, View, on_key
from cli.views.top.views.page import max_scroll, render_page
from cli.views.top.views.plot import automatic_step
from mesh.tasks import raise_if_cancelled, task_group
from qiki.radar.v1.radar_pb2 import RadarFrame
from qiki.radar.v1.track_pb2 import TrackSet
from qiki.registrar.v1.registrar_service_pb2 import AuditEvent

MIN_FRAME_S: Final = 0.05  # between two pictures: a busy stream does not keep the terminal busy
MAX_FRAME_S: Final = 1.0  # ages go on
INPUT_BYTES: Final = 1024
MAX_KEYS: Final = 1000  # pressed and not handled yet
MAX_RECEIVED: Final = 32  # parts of track sets, and frames, between two pictures: older ones are skipped


class LiveView:
    """The view of one mesh on one screen."""

    def __init__(self, screen: Screen, book: EndpointBook, services: Sequence[str]) -> None:
        self._screen, self._book, self._services = screen, book, services
        self._mesh = new_mesh(services, time.monotonic())
        self._radar, self._audit, self._ui = RadarPicture(), AuditTrail(), Ui()
        self._frozen: Snapshot | None = None
        self._changed = asyncio.Event()
        self._suspended = False
        self._keys, self._pressed = KeyDecoder(), deque[str](maxlen=MAX_KEYS)
        self._tracks = deque[tuple[TrackSet, float]](maxlen=MAX_RECEIVED)
        self._frames = deque[tuple[RadarFrame, float]](maxlen=MAX_RECEIVED)
        self._radar_tasks: list[asyncio.Task[None]] = []

    async def run(self) -> signal.Signals | None:
        """Show the view until `q` (returns None), or until a signal (returns it)."""
        async with SignalShutdown(lambda _number: None) as shutdown:
            with deferred_messages(), self._screen.opened():
                await self._run()
        return shutdown.first

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_reader(self._screen.input_fd, self._on_input)
        loop.add_signal_handler(signal.SIGWINCH, self._on_resize)
        loop.add_signal_handler(signal.SIGTSTP, self._on_suspend)
        try:
            async with task_group() as tasks:
                started = [tasks.create_task(work) for work in self._work()]
                while not self._take_in().quit:
                    self._choose_streams(tasks)
                    await self._show()
                for task in (*started, *self._radar_tasks):
                    task.cancel()
        finally:
            for number in (signal.SIGWINCH, signal.SIGTSTP):
                loop.remove_signal_handler(number)
            loop.remove_reader(self._screen.input_fd)

    def _work(self) -> list[Coroutine[Any, Any, None]]:
        polls = [poll(name, self._book, self._take_answer) for name in self._services]
        return [self._book.follow(), watch_audit(self._book.read, self._take_audit, self._on_audit_state), *polls]

    def _choose_streams(self, tasks: task_group) -> None:
        """Read tracks and frames while the radar is shown, and only then: at full speed they are many."""
        shown = self._ui.view is View.RADAR
        if shown and not self._radar_tasks:
            self._radar_tasks = [
                tasks.create_task(watch_tracks(self._book.read, self._take_tracks, self._on_tracks_state)),
                tasks.create_task(watch_frames(self._book.read, self._take_frame, self._on_frames_state)),
            ]
        elif not shown:
            for task in self._radar_tasks:
                task.cancel()
            self._radar_tasks = []

    def _take_in(self) -> Ui:
        """Take in what has been pressed and received; return the state of the user interface after it."""
        self._changed.clear()
        while self._pressed and not self._ui.quit:
            self._on_key(self._pressed.popleft())
        while self._tracks:
            self._radar = with_tracks(self._radar, *self._tracks.popleft())
        while self._frames:
            self._radar = with_frame(self._radar, *self._frames.popleft())
        return self._ui

    async def _show(self) -> None:
        """Show the present state, and return once there may be another to show."""
        raise_if_cancelled()
        if self._suspended:
            self._suspend()
        width, height = self._screen.size()
        try:
            await self._screen.show(render_page(self._snapshot(), self._ui, width, height), width)
        except OSError:  # the terminal is gone
            self._ui = replace(self._ui, quit=True)
            return
        await asyncio.sleep(MIN_FRAME_S)
        with suppress(TimeoutError):
            async with asyncio.timeout(MAX_FRAME_S):
                await self._changed.wait()

    def _on_key(self, key: str) -> None:
        ui = on_key(self._ui, key, automatic_step(self._radar))
        limit = max_scroll(self._snapshot(), ui, *self._screen.size())
        self._ui = replace(ui, scroll=min(ui.scroll, limit))

    def _snapshot(self) -> Snapshot:
        if self._ui.paused and self._frozen is not None:
            return self._frozen
        now = Snapshot(time.monotonic(), time.time(), self._book.where, self._mesh, self._radar, self._audit)
        self._frozen = now if self._ui.paused else None
        return now

    def _suspend(self) -> None:
        """Give the terminal back, stop as Ctrl-Z does, and take it again when continued."""
        self._suspended = False
        self._screen.leave()
        os.kill(os.getpid(), signal.SIGSTOP)
        self._screen.enter()

    # -- events -------------------------------------------------------------------------------------------------------

    def _on_input(self) -> None:
        try:
            data = os.read(self._screen.input_fd, INPUT_BYTES)
        except OSError:
            data = b""
        if not data:  # the terminal is gone
            self._ui = replace(self._ui, quit=True)
        self._pressed.extend(self._keys.feed(data))
        self._changed.set()

    def _on_resize(self) -> None:
        self._screen.forget()
        self._changed.set()

    def _on_suspend(self) -> None:
        self._suspended = True
        self._changed.set()

    def _take_answer(self, answer: Answer) -> None:
        self._mesh = advance(self._mesh, answer)
        self._changed.set()

    def _take_tracks(self, part: TrackSet, at_s: float) -> None:
        self._tracks.append((part, at_s))
        self._changed.set()

    def _take_frame(self, frame: RadarFrame, at_s: float) -> None:
        self._frames.append((frame, at_s))
        self._changed.set()

    def _take_audit(self, events: Sequence[AuditEvent]) -> None:
        self._audit = with_events(self._audit, events)
        self._changed.set()

    def _on_tracks_state(self, state: str) -> None:
        self._radar = replace(self._radar, tracks_state=state)
        self._changed.set()

    def _on_frames_state(self, state: str) -> None:
        self._radar = replace(self._radar, frames_state=state)
        self._changed.set()

    def _on_audit_state(self, state: str) -> None:
        self._audit = replace(self._audit, state=state)
        self._changed.set()

"""One snapshot, as plain text or as JSON, for a pipe, a log or a script."""

import time
from typing import Final

import grpc
from rich.text import Text

from cli.views.top.collect.endpoints import Endpoints
from cli.views.top.collect.poll import EndpointBook, poll
from cli.views.top.collect.streams import explain, list_audit, list_tracks
from cli.views.top.model.answer import Answer
from cli.views.top.model.audit import AuditTrail, with_events
from cli.views.top.model.mesh import advance, new_mesh
from cli.views.top.model.radar import RadarPicture, with_tracks
from cli.views.top.snapshot import Snapshot
from cli.views.top.ui import TITLES, View
from cli.views.top.views import alerts, audit, radar, services, streams
from cli.views.top.views.page import heading_line
from cli.views.top.views.text import fit
from mesh.tasks import task_group

ROUNDS: Final = 2  # rates need two
AUDIT_LINES: Final = 20


async def collect(book: EndpointBook, names: tuple[str, ...]) -> Snapshot:
    """Ask everything, and the services twice; what does not answer in time is shown as such."""
    mesh = new_mesh(names, time.monotonic())

    def take(answer: Answer) -> None:
        nonlocal mesh
        mesh = advance(mesh, answer)

    async with task_group() as tasks:
        for name in names:
            tasks.create_task(poll(name, book, take, ROUNDS))
        picture = tasks.create_task(_tracks(book.read()))
        trail = tasks.create_task(_audit(book.read()))
    return Snapshot(time.monotonic(), time.time(), book.where, mesh, picture.result(), trail.result())


async def _tracks(endpoints: Endpoints) -> RadarPicture:
    try:
        parts = await list_tracks(endpoints)
    except grpc.aio.AioRpcError as error:
        return RadarPicture(tracks_state=explain("tracker", error.code(), error.details() or ""))
    picture = RadarPicture()
    for part, at_s in parts:
        picture = with_tracks(picture, part, at_s)
    return picture


async def _audit(endpoints: Endpoints) -> AuditTrail:
    try:
        return with_events(AuditTrail(state=""), await list_audit(endpoints, AUDIT_LINES))
    except grpc.aio.AioRpcError as error:
        return AuditTrail(state=explain("registrar", error.code(), error.details() or ""))


def plain_lines(snapshot: Snapshot, width: int) -> list[str]:
    """Return the snapshot as lines of text of at most `width` cells."""
    parts: list[tuple[View, list[Text]]] = [
        (View.SERVICES, services.render(snapshot, width)),
        (View.STREAMS, streams.render(snapshot, width)),
        (View.ALERTS, alerts.render(snapshot, width)),
        (View.RADAR, radar.render_list(snapshot, width)),
        (View.AUDIT, audit.render(snapshot, width)),
    ]
    lines = [heading_line(snapshot)]
    for view, part in parts:
        lines += [Text(end=""), Text(TITLES[view].upper(), end=""), *part]
    return [fit(line, width).plain.rstrip() for line in lines]

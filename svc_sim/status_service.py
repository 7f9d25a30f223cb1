"""The servicer's part for the craft: energy, shield, navigation state, and the life of commands."""

from collections.abc import AsyncIterator, Callable
from typing import Any, TypeAlias

import grpc

from mesh.feeds.feed import Feed
from mesh.feeds.store import Entry
from mesh.feeds.token import Token
from mesh.feeds.watch import confirm, watch
from mesh.serving.errors import InvalidFieldError, NotFoundError
from qiki.sim.v1 import sim_service_pb2 as pb
from qiki.sim.v1.sim_service_pb2_grpc import SimServiceServicer
from svc_sim.outputs import Feeds

DEFAULT_PAGE, MAX_PAGE = 100, 500
# Records that one page looks at: some milliseconds. Their events fit into a message.
MAX_SCANNED = 500
MAX_COMMAND_IDS = 100
_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class StatusServicer(SimServiceServicer):
    """The RPCs of the feeds beside world and sensors."""

    def __init__(self, feeds: Feeds, heartbeat_s: float) -> None:
        self._feeds = feeds
        self._heartbeat_s = heartbeat_s

    async def WatchEnergy(
        self, request: pb.WatchEnergyRequest, context: _Context
    ) -> AsyncIterator[pb.WatchEnergyResponse]:
        """Stream energy statuses."""
        accept = _every(request.filter.every_nth)
        async for response in watch(self._feeds.energy, request, pb.WatchEnergyResponse, self._heartbeat_s, accept):
            yield response

    async def ConfirmEnergy(self, request: pb.ConfirmEnergyRequest, context: _Context) -> pb.ConfirmEnergyResponse:
        """Accept a required reader's confirmation."""
        return pb.ConfirmEnergyResponse(confirmed_sequence=await confirm(self._feeds.energy, request))

    async def GetEnergy(self, request: pb.GetEnergyRequest, context: _Context) -> pb.GetEnergyResponse:
        """Return the newest energy status."""
        found = pb.WatchEnergyResponse.FromString(_newest(self._feeds.energy).response)
        return pb.GetEnergyResponse(resume_token=found.resume_token, context=found.context, energy=found.energy)

    async def WatchShield(
        self, request: pb.WatchShieldRequest, context: _Context
    ) -> AsyncIterator[pb.WatchShieldResponse]:
        """Stream shield statuses."""
        accept = _every(request.filter.every_nth)
        async for response in watch(self._feeds.shield, request, pb.WatchShieldResponse, self._heartbeat_s, accept):
            yield response

    async def ConfirmShield(self, request: pb.ConfirmShieldRequest, context: _Context) -> pb.ConfirmShieldResponse:
        """Accept a required reader's confirmation."""
        return pb.ConfirmShieldResponse(confirmed_sequence=await confirm(self._feeds.shield, request))

    async def GetShield(self, request: pb.GetShieldRequest, context: _Context) -> pb.GetShieldResponse:
        """Return the newest shield status."""
        found = pb.WatchShieldResponse.FromString(_newest(self._feeds.shield).response)
        return pb.GetShieldResponse(resume_token=found.resume_token, context=found.context, shield=found.shield)

    async def WatchNavState(
        self, request: pb.WatchNavStateRequest, context: _Context
    ) -> AsyncIterator[pb.WatchNavStateResponse]:
        """Stream navigation states."""
        accept = _every(request.filter.every_nth)
        async for response in watch(self._feeds.nav, request, pb.WatchNavStateResponse, self._heartbeat_s, accept):
            yield response

    async def ConfirmNavState(
        self, request: pb.ConfirmNavStateRequest, context: _Context
    ) -> pb.ConfirmNavStateResponse:
        """Accept a required reader's confirmation."""
        return pb.ConfirmNavStateResponse(confirmed_sequence=await confirm(self._feeds.nav, request))

    async def GetNavState(self, request: pb.GetNavStateRequest, context: _Context) -> pb.GetNavStateResponse:
        """Return the newest navigation state."""
        found = pb.WatchNavStateResponse.FromString(_newest(self._feeds.nav).response)
        return pb.GetNavStateResponse(resume_token=found.resume_token, context=found.context, nav_state=found.nav_state)

    async def WatchCommands(
        self, request: pb.WatchCommandsRequest, context: _Context
    ) -> AsyncIterator[pb.WatchCommandsResponse]:
        """Stream the life of commands."""
        feed, accept = self._feeds.commands.feed, _of_commands(request.filter)
        async for response in watch(feed, request, pb.WatchCommandsResponse, self._heartbeat_s, accept):
            yield response

    async def ConfirmCommands(
        self, request: pb.ConfirmCommandsRequest, context: _Context
    ) -> pb.ConfirmCommandsResponse:
        """Accept a required reader's confirmation."""
        return pb.ConfirmCommandsResponse(confirmed_sequence=await confirm(self._feeds.commands.feed, request))

    async def ListCommands(self, request: pb.ListCommandsRequest, context: _Context) -> pb.ListCommandsResponse:
        """Return a page of command events."""
        if request.page_size > MAX_PAGE:
            raise InvalidFieldError("page_size", f"is {request.page_size}, at most {MAX_PAGE} are given")
        feed, accept = self._feeds.commands.feed, _of_commands(request.filter)
        size, place = request.page_size or DEFAULT_PAGE, feed.place(0)
        if request.resume_token:
            await feed.load(request.resume_token)
            place = feed.resolve(request.resume_token)
        return _page(feed, place, size, accept)


def _page(feed: Feed, place: Token, size: int, accept: Callable[[Entry], bool] | None) -> pb.ListCommandsResponse:
    """Return the page after a position: it ends where it is full, or where enough records were looked at."""
    page = pb.ListCommandsResponse()
    last = min(feed.store.last_sequence, place.sequence + MAX_SCANNED)
    for sequence in range(place.sequence + 1, last + 1):
        entry = feed.store.get(sequence)
        assert entry is not None, "the journal keeps every record"
        if accept is None or accept(entry):
            if len(page.events) == size:
                break
            page.events.append(pb.WatchCommandsResponse.FromString(entry.response).command_event)
        place = feed.token_at(entry.sequence, entry.digest)
    page.resume_token = place.encode()
    page.complete = place.sequence == feed.store.last_sequence
    return page


def _newest(feed: Feed) -> Entry:
    entry = feed.newest()
    if entry is None:
        raise NotFoundError(f"{feed.name}: there is no event yet, or the bot has no such component")
    return entry


def _every(nth: int) -> Callable[[Entry], bool] | None:
    return (lambda entry: entry.sequence % nth == 0) if nth > 1 else None


def _of_commands(given: pb.CommandsFilter) -> Callable[[Entry], bool] | None:
    if len(given.command_ids) > MAX_COMMAND_IDS:
        raise InvalidFieldError("filter.command_ids", f"holds {len(given.command_ids)}, at most {MAX_COMMAND_IDS}")
    wanted = frozenset(given.command_ids)
    return (lambda entry: entry.subject in wanted) if wanted else None

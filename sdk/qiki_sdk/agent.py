"""An agent in lock step: its turns, the events up to each, and commands whose ids follow from the turn.

An agent is a fold too: its commands are a function of the run and of the events before its turn, so a slow agent makes
the same run as a fast one, and an agent that is started again repeats its commands without effect.
"""

import asyncio
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Generic, Self, TypeVar

import grpc
from google.protobuf.message import Message

from qiki.common.v1.stream_pb2 import Run
from qiki.sim.v1.commands_pb2 import Command, CommandResult
from qiki.sim.v1.sim_service_pb2 import (
    ExecuteCommandRequest,
    ExecuteCommandResponse,
    GetRunRequest,
    GetRunResponse,
    TakeTurnRequest,
    TakeTurnResponse,
)
from qiki_sdk.backoff import Backoff
from qiki_sdk.errors import from_rpc_error
from qiki_sdk.stream import TRANSIENT, Event, Idle, Stream

if TYPE_CHECKING:
    from qiki.sim.v1.sim_service_pb2_grpc import SimServiceAsyncStub

P = TypeVar("P", bound=Message)
R = TypeVar("R", bound=Message)

NS_PER_S = 1_000_000_000
# After so many failures in a row a call is given up: with the waits of the backoff, about a minute and a half.
MAX_TRIES = 30


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn of an agent: the step's tick, its simulation time, and the newest sequences of world and sensors there."""

    tick: int
    time_ns: int
    world_sequence: int
    sensors_sequence: int


class TurnReader(Generic[P]):
    """A stream's events, taken up to a turn; the same ones whenever they arrive. Use it as an async context manager.

    `through` is for the feeds whose sequence a turn names (world, sensors), `before` for those computed from them.
    """

    def __init__(self, stream: Stream[P]) -> None:
        """Read a stream; its request must start at the oldest event or at a token, not at the present."""
        self._items: AsyncGenerator[Event[P] | Idle, None] = stream.items()
        self._next: Event[P] | None = None
        self._sequence = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._items.aclose()

    async def through(self, sequence: int) -> list[Event[P]]:
        """Return the events that follow those taken before, up to a sequence; wait for them."""
        found: list[Event[P]] = []
        while self._sequence < sequence and (event := await self._advance(lambda _idle: False)) is not None:
            self._next = None
            self._sequence = event.context.sequence
            found.append(event)
        return found

    async def before(self, turn: Turn) -> list[Event[P]]:
        """Return the events that follow those taken before, from before a turn's time; wait until none is missing.

        An event of that very time is left for the next turn: another one may be on its way.
        """
        found: list[Event[P]] = []
        if turn.tick == 0:
            return found
        time_ns = turn.time_ns

        def nothing_comes(idle: Idle) -> bool:
            reached_ns = idle.heartbeat.simulation_time.ToNanoseconds()
            return reached_ns >= time_ns and idle.heartbeat.last_sequence <= self._sequence

        while (event := await self._advance(nothing_comes)) is not None:
            if event.context.time.ToNanoseconds() >= time_ns:
                return found
            self._next = None
            self._sequence = event.context.sequence
            found.append(event)
        return found

    async def _advance(self, nothing_comes: Callable[[Idle], bool]) -> Event[P] | None:
        """Return the next event, not yet taken; None at the run's end, or where a heartbeat shows that none comes."""
        while self._next is None:
            item = await anext(self._items, None)
            if item is None or (isinstance(item, Idle) and nothing_comes(item)):
                return None
            if isinstance(item, Event):
                self._next = item
        return self._next


@dataclass(slots=True)
class Agent:
    """An agent of a run in lock step, by the name that the scenario gives it.

    ```
    agent = await Agent.join("pilot", SimServiceStub(connect("127.0.0.1:50051")))
    async for turn in agent.turns():
        await agent.execute(turn, Command(set_helm=SetHelm(course_deg=90.0)))
    ```
    """

    name: str
    run: Run
    _stub: "SimServiceAsyncStub"
    _numbers: dict[int, int] = field(default_factory=dict)

    @classmethod
    async def join(cls, name: str, stub: "SimServiceAsyncStub") -> Self:
        """Return an agent of the run that the simulator serves.

        Raises:
            QikiError: the simulator refuses, or cannot be reached.
        """
        response: GetRunResponse = await _called(lambda: stub.GetRun(GetRunRequest()))
        return cls(name, response.run, stub)

    async def turns(self) -> AsyncIterator[Turn]:
        """Yield the agent's turns to the end of the run; asking for the next one completes the one before.

        Raises:
            QikiError: the run has failed, or has no agent of this name.
        """
        request = TakeTurnRequest(agent=self.name)
        while True:  # bounded by the run
            response: TakeTurnResponse = await _called(lambda: self._stub.TakeTurn(request))
            if response.ended:
                return
            time_ns = response.time.ToNanoseconds()
            yield Turn(response.tick, time_ns, response.world_sequence, response.sensors_sequence)
            request.completed_tick = response.tick

    async def execute(self, turn: Turn, command: Command) -> CommandResult:
        """Execute a command in the first tick after the turn, once; return its result.

        Its id is a function of run, agent, turn and the number of the command in the turn.

        Raises:
            QikiError: the simulator refuses the request, or cannot be reached.
        """
        number = self._numbers[turn.tick] = self._numbers.get(turn.tick, 0) + 1
        numbered = Command()
        numbered.CopyFrom(command)
        numbered.command_id = str(uuid.uuid5(uuid.UUID(self.run.run_id), f"agents/{self.name}/{turn.tick}/{number}"))
        request = ExecuteCommandRequest(command=numbered)
        response: ExecuteCommandResponse = await _called(lambda: self._stub.ExecuteCommand(request))
        return response.result


async def _called(call: Callable[[], Awaitable[R]]) -> R:
    """Return a call's response; repeat the call after a transient failure, with growing waits.

    Raises:
        QikiError: it is refused, or has failed `MAX_TRIES` times.
    """
    delays = Backoff().delays()
    for number in range(1, MAX_TRIES + 1):
        try:
            return await call()
        except grpc.aio.AioRpcError as error:
            refusal = from_rpc_error(error)
            if refusal.code not in TRANSIENT or number == MAX_TRIES:
                raise refusal from error
        await asyncio.sleep(next(delays))
    raise AssertionError("the last try returns or raises")

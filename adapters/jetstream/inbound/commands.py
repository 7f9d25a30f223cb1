"""Commands from the bus to the simulator, and its answers to the bus: a command is complete once it is answered."""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

import grpc
from nats.aio.client import Client
from nats.aio.msg import Msg
from opentelemetry.trace import Span

from adapters.jetstream.client.errors import JetStreamError
from adapters.jetstream.client.messages import get_last, store
from adapters.jetstream.client.requests import call
from adapters.jetstream.codec.commands import CommandMessage, StreamPosition, answer_headers, is_answered, to_command
from adapters.jetstream.codec.foreign import UndecodableError
from adapters.jetstream.codec.message_spans import MessageSpans, fail
from adapters.jetstream.inbound.dead_letters import put_delivered
from adapters.jetstream.inbound.durable_reader import DurableReader
from adapters.jetstream.metrics import CommandMetrics
from botspec.bus.streams import COMMAND_TIMEOUT_S, DEAD_LETTERS, RESPONSES, SIM_COMMANDS
from botspec.sections import Bus
from mesh import failpoints
from mesh.serving.health import Heartbeat
from mesh.serving.runtime import ServiceContext
from qiki.sim.v1.commands_pb2 import CommandOutcome, CommandResult
from qiki.sim.v1.sim_service_pb2 import ExecuteCommandRequest, ExecuteCommandResponse
from qiki.sim.v1.sim_service_pb2_grpc import SimServiceStub
from qiki_sdk.channel import connect
from qiki_sdk.codes import COMMAND_EXHAUSTED, DEAD_LETTERED
from qiki_sdk.errors import QikiError, from_rpc_error
from qiki_sdk.stream import TRANSIENT
from qiki_sdk.tracing import traceparent_of

if TYPE_CHECKING:  # the generated stub exists for the type checker alone
    from qiki.sim.v1.sim_service_pb2_grpc import SimServiceAsyncStub

SUBJECT_PREFIX = "qiki.commands.v1."
RESPONSE_PREFIX = "qiki.responses.v1."
# For the simulator's part of a command, which is a flush to the disk.
CALL_TIMEOUT_S = 3.0


class CommandForwarder:
    """Read the durable of a bot's commands, one command at a time.

    A command is acknowledged once its answer or its dead letter is stored. A redelivered command is recognised: by the
    simulator, which repeats its first answer, and by its position, because the tail of the answers' subject contains
    the position of the last answered command. That tail is also the lock, so that of two bridges only one answers.
    """

    def __init__(
        self,
        bus: Bus,
        sim_target: str,
        metrics: CommandMetrics,
        service: ServiceContext,
        *,
        spans: MessageSpans,
    ) -> None:
        self._bot_id = bus.bot.bot_id
        self._responses, self._dead_letters = bus.stream_of(RESPONSES), bus.stream_of(DEAD_LETTERS)
        self._sim: SimServiceAsyncStub = SimServiceStub(connect(sim_target))
        self._metrics = metrics
        self._audit = service.audit
        self._spans = spans
        self._durable = durable = bus.durable(SIM_COMMANDS)
        self._heartbeat: Heartbeat = service.health.loop("commands")
        self._reader = DurableReader(durable, 1, self._process, self._heartbeat, "taking commands")
        self._answered = self._dead_lettered = 0

    def facts(self) -> Mapping[str, object]:
        """Return the fields of the status line."""
        return {"answered": self._answered, "dead_lettered": self._dead_lettered}

    async def run(self, client: Client) -> None:
        """Process commands over this connection until it is closed.

        Raises:
            ConnectionGone: the connection is closed for good.
        """
        await self._reader.run(client)

    async def _process(self, client: Client, messages: list[Msg]) -> None:
        for message in messages:
            with self._spans.process(message, self._durable.name) as span:
                await self._process_one(client, message, span)

    async def _process_one(self, client: Client, message: Msg, span: Span) -> None:
        try:
            async with asyncio.timeout(COMMAND_TIMEOUT_S):
                await self._forward(client, message, span)
        except UndecodableError as error:
            fail(span, error.reason, str(error))
            await self._dead_letter(client, message, error.reason, str(error))
        except TimeoutError:
            fail(span, "timeout", why := f"not done within {COMMAND_TIMEOUT_S:g} s")
            await self._return(client, message, why)
        except (QikiError, JetStreamError) as error:
            fail(span, type(error).__name__, str(error))
            await self._return(client, message, str(error))

    async def _forward(self, client: Client, message: Msg, span: Span) -> None:
        """Execute a command, store the answer, and acknowledge the command, in this order."""
        if message.subject != f"{SUBJECT_PREFIX}{self._bot_id}":
            raise UndecodableError("UNROUTABLE", f"no service of this mesh takes commands on {message.subject}")
        wanted = to_command(message.headers or {}, message.data)
        span.set_attribute("qiki.command_id", wanted.command.command_id)
        traceparent = traceparent_of(span) or wanted.traceparent
        response = await self._execute(wanted, traceparent)
        failpoints.reach("answer.send")
        await self._answer(client, message, response.result, traceparent)
        failpoints.reach("answer.stored")
        await message.ack()
        failpoints.reach("command.acknowledged")
        self._answered += 1
        outcome = CommandOutcome.Name(response.result.outcome).removeprefix("COMMAND_OUTCOME_").lower()
        self._metrics.answered.inc("repeated" if response.repeated else outcome)

    async def _execute(self, wanted: CommandMessage, traceparent: str) -> ExecuteCommandResponse:
        request = ExecuteCommandRequest(command=wanted.command)
        metadata = (("traceparent", traceparent),) if traceparent else ()
        try:
            return await self._sim.ExecuteCommand(request, timeout=CALL_TIMEOUT_S, metadata=metadata)
        except grpc.aio.AioRpcError as error:
            refusal = from_rpc_error(error)
            if refusal.code in TRANSIENT:
                raise refusal from error
            raise UndecodableError("REJECTED", str(refusal)) from error

    async def _answer(self, client: Client, message: Msg, result: CommandResult, traceparent: str) -> None:
        """Store the answer after the subject's tail, unless the tail shows that the command is answered."""
        subject = f"{RESPONSE_PREFIX}{self._bot_id}"
        created = str((await call(client, f"STREAM.INFO.{self._durable.stream}", {})).get("created"))
        place = StreamPosition(created, message.metadata.sequence.stream)
        tail = await get_last(client, self._responses, subject)
        if tail is not None and is_answered(place, tail.headers):
            return
        headers = answer_headers(result, self._bot_id, place, traceparent)
        body = result.SerializeToString(deterministic=True)
        await store(client, self._responses, subject, body, headers, expected_last=tail.sequence if tail else 0)

    async def _return(self, client: Client, message: Msg, why: str) -> None:
        """Return the command for a later redelivery, or dead-letter it where it has exhausted max_deliver."""
        deliveries = message.metadata.num_delivered
        if self._durable.max_deliver is not None and self._durable.max_deliver <= deliveries:
            await self._dead_letter(client, message, "EXHAUSTED", f"delivered {deliveries} times; the last time: {why}")
            return
        self._heartbeat.beat(f"waiting: {why}")
        self._metrics.returned.inc()
        await message.nak(delay=self._durable.delay_s(deliveries))

    async def _dead_letter(self, client: Client, message: Msg, reason: str, detail: str) -> None:
        dead_letter = await put_delivered(
            client, self._dead_letters, self._durable.name, message, reason=reason, detail=detail
        )
        self._dead_lettered += 1
        self._metrics.dead_lettered.inc(reason)
        self._audit.report(
            COMMAND_EXHAUSTED if reason == "EXHAUSTED" else DEAD_LETTERED,
            f"a command on {message.subject} was dead-lettered: {reason}",
            key=f"{dead_letter.stream}/{dead_letter.sequence}",
            subject=message.subject,
            sequence=dead_letter.sequence,
            reason=reason,
            detail=detail,
        )

"""Commands and their answers as messages on the bus. Pure."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from adapters.jetstream.codec.cloudevents import CONTENT_TYPE, MESSAGE_ID, TRACEPARENT
from adapters.jetstream.codec.foreign import read
from qiki.sim.v1.commands_pb2 import Command, CommandResult

COMMAND_PLACE = "qiki-command-place"
"""Header of an answer: the position of its command. Commands are answered in the order of their positions."""
_ALIASED = ("id", "type", "source", "time")


@dataclass(frozen=True, slots=True)
class StreamPosition:
    """Position of a command: its sequence in the command stream, and when the server created that stream."""

    stream_created: str
    sequence: int

    def __str__(self) -> str:
        return f"{self.stream_created}/{self.sequence}"


@dataclass(frozen=True, slots=True)
class CommandMessage:
    """A command and its message's trace context: that of the last hop where there is one, else of the origin."""

    command: Command
    traceparent: str


def to_command(headers: Mapping[str, str], payload: bytes) -> CommandMessage:
    """Return the command that a CloudEvent of type `qiki.sim.v1.Command` carries, encoded as protobuf or JSON.

    Without a `command_id` it gets the CloudEvent's id, or a UUID of its source and id.

    Raises:
        UndecodableError: it is not such an event; see `foreign.read`.
    """
    found = read(headers, payload, Command)
    found.payload.command_id = found.payload.command_id or found.uuid
    return CommandMessage(found.payload, headers.get(TRACEPARENT) or found.context.traceparent)


def answer_headers(result: CommandResult, bot_id: str, place: StreamPosition, traceparent: str) -> dict[str, str]:
    """Return the headers of the answer to the command at a position: a CloudEvent with `ce-subject` the command's id.

    Its id, which is also its `Nats-Msg-Id`, is a function of the run and the command's id: the answer to a command that
    is delivered twice is stored once.
    """
    event_id = str(uuid.uuid5(uuid.UUID(result.run_id), f"commands/{result.command_id}"))
    name = CommandResult.DESCRIPTOR.full_name
    headers = {
        "ce-specversion": "1.0",
        "ce-id": event_id,
        "ce-type": name,
        "ce-source": f"/qiki/{bot_id}/{result.run_id}/responses",
        "ce-subject": result.command_id,
        "ce-datacontenttype": CONTENT_TYPE,
        "ce-dataschema": f"proto:{name}",
        "ce-run": result.run_id,
        MESSAGE_ID: event_id,
        COMMAND_PLACE: str(place),
    }
    if result.HasField("time"):
        headers["ce-time"] = result.time.ToJsonString()
    if traceparent:
        headers["ce-traceparent"] = headers[TRACEPARENT] = traceparent
    aliases = {f"ce_{name}": headers[f"ce-{name}"] for name in _ALIASED if f"ce-{name}" in headers}
    return headers | aliases


def is_answered(place: StreamPosition, newest_answer: Mapping[str, str]) -> bool:
    """Return whether the newest answer's headers show that the command at a position has been answered.

    Valid only within one command stream: in a recreated stream the positions start again.
    """
    created, _, sequence = newest_answer.get(COMMAND_PLACE, "").rpartition("/")
    known = sequence.isascii() and sequence.isdigit() and created == place.stream_created
    return known and int(sequence) >= place.sequence

"""Commands and their answers as messages on the bus. Pure."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from adapters.jetstream.codec.cloudevents import CONTENT_TYPE, MESSAGE_ID, TRACEPARENT
from adapters.jetstream.codec.foreign import read
from qiki.sim.v1.commands_pb2 import Command, CommandResult

COMMAND_PLACE = "qiki-command-place"
"""In an answer: the place of its command. Commands are answered in the order of their places."""
_ALIASED = ("id", "type", "source", "time")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a command stands: its sequence in the command stream, and when that stream was made, as the server says."""

    stream_created: str
    sequence: int

    def __str__(self) -> str:
        return f"{self.stream_created}/{self.sequence}"


@dataclass(frozen=True, slots=True)
class CommandMessage:
    """A command and the trace context of its message: of its last hop where there is one, else of its origin."""

    command: Command
    traceparent: str


def to_command(headers: Mapping[str, str], payload: bytes) -> CommandMessage:
    """Return the command that a CloudEvent of type `qiki.sim.v1.Command` carries, as protobuf or JSON.

    Without a `command_id` it gets the CloudEvent's id, or a UUID of its source and id.

    Raises:
        UndecodableError: it is none; see `foreign_messages.read`.
    """
    found = read(headers, payload, Command)
    found.payload.command_id = found.payload.command_id or found.uuid
    return CommandMessage(found.payload, headers.get(TRACEPARENT) or found.context.traceparent)


def answer_headers(result: CommandResult, bot_id: str, place: Place, traceparent: str) -> dict[str, str]:
    """Return the headers of the answer to the command at a place: a CloudEvent about the command, `ce-subject` its id.

    Its id is a function of the run and the command's id, and its `Nats-Msg-Id` too: the answer to a command that came
    twice is stored once.
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


def is_answered(place: Place, newest_answer: Mapping[str, str]) -> bool:
    """Tell by the headers of the newest answer whether the command at a place has been answered.

    Only within one command stream: in one that was made anew, places begin again.
    """
    created, _, sequence = newest_answer.get(COMMAND_PLACE, "").rpartition("/")
    known = sequence.isascii() and sequence.isdigit() and created == place.stream_created
    return known and int(sequence) >= place.sequence

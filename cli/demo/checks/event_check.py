"""Check of one subject's messages: each is the event named by its headers, and follows the one before."""

from dataclasses import dataclass
from typing import Final

from google.protobuf import descriptor_pool
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from adapters.jetstream.client.messages import StoredMessage
from adapters.jetstream.codec.cloudevents import from_headers
from botspec.channels import Channel
from cli.demo.checks.findings import Findings
from mesh.feeds import identity
from mesh.feeds.token import Token, decode, short_digest
from mesh.serving.errors import TokenMalformedError
from qiki.common.v1.stream_pb2 import EventContext
from qiki.radar.v1.radar_pb2 import RadarFrame
from qiki.registrar.v1.registrar_service_pb2 import AuditEvent

# Name of the payload field with the event's time; `time` for all other channels.
_TIME_FIELDS: Final = {RadarFrame.DESCRIPTOR.full_name: "timestamp", AuditEvent.DESCRIPTOR.full_name: "reported_time"}


@dataclass(frozen=True, slots=True)
class CheckedEvent:
    """One readable message; `intact` is true if no check failed except that of its position among the others."""

    context: EventContext
    payload: Message
    data: bytes
    intact: bool


class EventCheck:
    """Checks the messages of one channel, in the order of its subject, and adds each failure to the findings.

    The findings give the name of the check:
        header: the CloudEvents headers are present and consistent.
        type, source, id: they match the channel, the run and the sequence.
        sequence: it is one more than the sequence of the run's event before; the run under test starts with 1.
        token: the resume token is of this feed, run and sequence.
        digest: the digest of the payload's bytes is the one in the token.
        payload: the bytes are a message of the type.
        time: the payload's time is the event's time.
    """

    def __init__(self, channel: Channel, bot_id: str, run_id: str, findings: Findings) -> None:
        """Check the channel of this bot; a derived channel must have all events of `run_id` from the first."""
        self._channel = channel
        self._bot_id = bot_id
        self._findings = findings
        self._feed_digest = short_digest(channel.name.encode())
        self._payload_type = GetMessageClass(descriptor_pool.Default().FindMessageTypeByName(channel.type))
        self._last = {run_id: 0} if channel.policy == "derived" else {}
        self.messages = 0

    def check(self, message: StoredMessage) -> CheckedEvent | None:
        """Check the subject's next message; return None if its headers or its payload cannot be read."""
        self.messages += 1
        try:
            read = from_headers(message.headers)
        except ValueError as error:  # a HeaderError, or text that is no UTF-8
            self._find(f"message {self.messages}", "header", str(error))
            return None
        context, place = read.context, f"event {read.context.sequence}"
        self._check_order(context, place)
        before = len(self._findings)  # an event that follows a gap is whole itself
        self._check_token(context, place, read.resume_token, message.payload)
        try:
            payload = self._payload_type.FromString(message.payload)
        except DecodeError as error:
            self._find(place, "payload", f"is no {self._channel.type}: {error}")
            return None
        self._check_names(context, place, payload)
        self._check_time(context, place, payload)
        return CheckedEvent(context, payload, message.payload, len(self._findings) == before)

    def _check_order(self, context: EventContext, place: str) -> None:
        last = self._last.get(context.run_id)
        if last is not None and context.sequence != last + 1:
            self._find(place, "sequence", f"follows event {last}" if last else "is the first of its run")
        self._last[context.run_id] = context.sequence

    def _check_token(self, context: EventContext, place: str, text: str, payload: bytes) -> None:
        try:
            token = decode(text)
        except TokenMalformedError as error:
            self._find(place, "token", error.message)
            return
        named = Token(short_digest(context.run_id.encode()), self._feed_digest, context.sequence, token.digest)
        for field in ("epoch", "feed", "sequence"):
            if getattr(token, field) != getattr(named, field):
                other = {"epoch": "run", "feed": "feed", "sequence": f"sequence ({token.sequence})"}[field]
                self._find(place, "token", f"is of another {other}")
        if (digest := short_digest(payload)) != token.digest:
            detail = (
                f"the payload's {len(payload)} bytes have {digest.hex()}, the resume token has {token.digest.hex()}"
            )
            self._find(place, "digest", detail)

    def _check_names(self, context: EventContext, place: str, payload: Message) -> None:
        channel, run_id = self._channel, context.run_id
        self._compare(place, "type", context.type, channel.type)
        self._compare(place, "source", context.source, identity.source(self._bot_id, run_id, channel.name))
        if isinstance(payload, AuditEvent):
            self._compare(place, "id", context.id, payload.event_id)
            return
        try:
            wanted = identity.event_id(run_id, channel.name, context.sequence)
        except ValueError:
            self._find(place, "id", f"the run {run_id!r} is no UUID")
        else:
            self._compare(place, "id", context.id, wanted)

    def _check_time(self, context: EventContext, place: str, payload: Message) -> None:
        field = _TIME_FIELDS.get(self._channel.type, "time")
        if field in payload.DESCRIPTOR.fields_by_name:
            held, named = getattr(payload, field), context.time
            if (held.seconds, held.nanos) != (named.seconds, named.nanos):
                self._find(place, "time", f"ce-time is {named.ToJsonString()}, the payload's {field} is another")

    def _compare(self, place: str, check: str, found: object, wanted: object) -> None:
        if found != wanted:
            self._find(place, check, f"is {found}, should be {wanted}")

    def _find(self, place: str, check: str, detail: str) -> None:
        self._findings.add(self._channel.subject, place, check, detail)

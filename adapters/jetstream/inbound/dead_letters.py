"""The dead-letter stream: messages that could not be processed, as received, each with the reason."""

import logging
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from nats.aio.client import Client
from nats.aio.msg import Msg

from adapters.jetstream.client.messages import StoredMessage, store
from adapters.jetstream.codec.cloudevents import MESSAGE_ID

SUBJECT_PREFIX = "qiki.dlq.v1."
OWN_PREFIX = "qiki-dlq-"
# Headers that control JetStream: those of the original message would act on its copy.
CONTROL_PREFIX = "nats-"
_DIGITS = re.compile(r"[0-9]{1,20}")
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that could not be processed, its origin, and the reason."""

    consumer: str
    stream: str
    sequence: int
    subject: str
    headers: Mapping[str, str]
    payload: bytes
    reason: str
    detail: str

    def message_headers(self) -> dict[str, str]:
        """Return the original headers with the reason; the same dead letter always has the same `Nats-Msg-Id`."""
        return _without_control(self.headers) | {
            MESSAGE_ID: f"{self.stream}/{self.sequence}/{self.consumer}",
            f"{OWN_PREFIX}reason": self.reason,
            f"{OWN_PREFIX}detail": _one_line(self.detail),
            f"{OWN_PREFIX}subject": self.subject,
            f"{OWN_PREFIX}stream": self.stream,
            f"{OWN_PREFIX}sequence": str(self.sequence),
            f"{OWN_PREFIX}consumer": self.consumer,
            f"{OWN_PREFIX}time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }

    @classmethod
    def from_message(cls, message: StoredMessage) -> Self:
        """Return the dead letter in a message of the dead-letter stream; an absent field is empty, or 0."""
        headers = _without_control(message.headers)
        own = {
            name.removeprefix(OWN_PREFIX): headers.pop(name) for name in list(headers) if name.startswith(OWN_PREFIX)
        }
        return cls(
            consumer=own.get("consumer", ""),
            stream=own.get("stream", ""),
            sequence=int(own["sequence"]) if _DIGITS.fullmatch(own.get("sequence", "")) else 0,
            subject=own.get("subject", ""),
            headers=headers,
            payload=message.payload,
            reason=own.get("reason", ""),
            detail=own.get("detail", ""),
        )


async def put(client: Client, stream: str, dead_letter: DeadLetter) -> None:
    """Store a dead letter in the dead-letter stream; it is stored when this returns.

    Raises:
        JetStreamError: it is not known to be stored; storing it again is harmless.
    """
    subject = f"{SUBJECT_PREFIX}{dead_letter.consumer}"
    await store(client, stream, subject, dead_letter.payload, dead_letter.message_headers())
    facts = {"subject": dead_letter.subject, "reason": dead_letter.reason, "detail": dead_letter.detail}
    _LOG.warning("dead-lettered", extra={**facts, "sequence": dead_letter.sequence})


async def put_delivered(
    client: Client, stream: str, consumer: str, message: Msg, *, reason: str, detail: str
) -> DeadLetter:
    """Store a consumer's message in the dead-letter stream, then terminate its redelivery; return the dead letter.

    Raises:
        JetStreamError: it is not known to be stored; the message is redelivered.
    """
    metadata = message.metadata
    dead_letter = DeadLetter(
        consumer=consumer,
        stream=metadata.stream,
        sequence=metadata.sequence.stream,
        subject=message.subject,
        headers=message.headers or {},
        payload=message.data,
        reason=reason,
        detail=detail,
    )
    await put(client, stream, dead_letter)
    await message.term()
    return dead_letter


def _without_control(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if not name.lower().startswith(CONTROL_PREFIX)}


def _one_line(text: str) -> str:
    return " ".join(text.split())[:400]

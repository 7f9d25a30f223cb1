"""The dead-letter stream: messages that could not be processed, as received, each with the reason."""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass

from nats.aio.client import Client
from nats.aio.msg import Msg

from adapters.jetstream.client.messages import store

STREAM = "QIKI_DLQ_V1"
SUBJECT_PREFIX = "qiki.dlq.v1."
OWN_PREFIX = "qiki-dlq-"
# Headers that control JetStream: those of the original message would act on its copy.
STEERING_PREFIX = "nats-"
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
        kept = {name: value for name, value in self.headers.items() if not name.lower().startswith(STEERING_PREFIX)}
        return kept | {
            "Nats-Msg-Id": f"{self.stream}/{self.sequence}/{self.consumer}",
            f"{OWN_PREFIX}reason": self.reason,
            f"{OWN_PREFIX}detail": _one_line(self.detail),
            f"{OWN_PREFIX}subject": self.subject,
            f"{OWN_PREFIX}stream": self.stream,
            f"{OWN_PREFIX}sequence": str(self.sequence),
            f"{OWN_PREFIX}consumer": self.consumer,
            f"{OWN_PREFIX}time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }


async def put(client: Client, letter: DeadLetter) -> None:
    """Store a dead letter; it is stored when this returns.

    Raises:
        WriteError: it is not known to be stored; storing it again is harmless.
    """
    await store(client, STREAM, f"{SUBJECT_PREFIX}{letter.consumer}", letter.payload, letter.message_headers())
    facts = {"subject": letter.subject, "reason": letter.reason, "detail": letter.detail}
    _LOG.warning("put aside", extra={**facts, "sequence": letter.sequence})


async def put_aside(client: Client, consumer: str, message: Msg, reason: str, detail: str) -> DeadLetter:
    """Dead-letter a consumer's message, then terminate its redelivery; return the dead letter.

    Raises:
        WriteError: it is not known to be stored; the message is redelivered.
    """
    place = message.metadata
    letter = DeadLetter(
        consumer=consumer,
        stream=place.stream,
        sequence=place.sequence.stream,
        subject=message.subject,
        headers=message.headers or {},
        payload=message.data,
        reason=reason,
        detail=detail,
    )
    await put(client, letter)
    await message.term()
    return letter


def _one_line(text: str) -> str:
    return " ".join(text.split())[:400]

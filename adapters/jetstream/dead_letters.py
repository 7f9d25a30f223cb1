"""The dead-letter stream: what could not be processed, as it came, with the reason beside it."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass

import nats.errors
from nats.aio.client import Client

from adapters.jetstream.answers import Doubt, error_of

STREAM = "QIKI_DLQ_V1"
SUBJECT_PREFIX = "qiki.dlq.v1."
ACK_TIMEOUT_S = 5.0
# Headers that steer JetStream: an original message's would act on its copy.
_STEERING = "nats-"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that could not be processed, where it stood, and why."""

    consumer: str
    stream: str
    sequence: int
    subject: str
    headers: Mapping[str, str]
    payload: bytes
    reason: str
    detail: str

    def message_headers(self) -> dict[str, str]:
        """Return the original headers with the reason; the same letter has the same `Nats-Msg-Id` every time."""
        kept = {name: value for name, value in self.headers.items() if not name.lower().startswith(_STEERING)}
        return kept | {
            "Nats-Msg-Id": f"{self.stream}/{self.sequence}/{self.consumer}",
            "qiki-dlq-reason": self.reason,
            "qiki-dlq-detail": _one_line(self.detail),
            "qiki-dlq-subject": self.subject,
            "qiki-dlq-stream": self.stream,
            "qiki-dlq-sequence": str(self.sequence),
            "qiki-dlq-consumer": self.consumer,
            "qiki-dlq-time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }


async def put(client: Client, letter: DeadLetter) -> None:
    """Put a letter aside; it is stored when this returns.

    Raises:
        WriteError: it is not known to be stored; putting it again is harmless.
    """
    subject = f"{SUBJECT_PREFIX}{letter.consumer}"
    try:
        answer = await client.request(subject, letter.payload, timeout=ACK_TIMEOUT_S, headers=letter.message_headers())
        body = json.loads(answer.data)
    except (nats.errors.Error, ValueError) as error:
        raise Doubt(f"no clear answer about {subject}: {str(error) or type(error).__name__}") from error
    if "error" in body:
        raise error_of(body["error"], STREAM)
    if body.get("stream") != STREAM:  # `duplicate` is as good as stored: the same letter was put aside before
        raise Doubt(f"the answer does not confirm {subject}: {body}")


def _one_line(text: str) -> str:
    return " ".join(text.split())[:400]

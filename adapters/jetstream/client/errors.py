# ruff: noqa: N818 - these errors are named for what happened, which is what their reader must act on
"""JetStream's answers to conditional writes: a confirmation, or one of the errors of the writer's tree."""

import json
from dataclasses import dataclass

RUN_INIT = "run `qiki nats init`"

_STALE = {10071, 10164}  # wrong last sequence; the second form when another write is under way
_FULL = {10077, 10023, 10002, 10047, 10028}  # the stream's limit, the server's or account's resources, storage, memory
_TOO_LARGE = {10054, 10097}
_STREAM_MISSING = 10059
# Unavailable, no leader, offline, condition not ready, duplicate under way, too many requests or batches, torn batch,
# a message id that the batch repeats.
_UNCLEAR = {10008, 10009, 10118, 10194, 10163, 10158, 10167, 10210, 10176, 10201}


class WriteError(Exception):
    """A write that failed, or has an unknown outcome. In every case the subject's tail shows what is stored."""


class SequenceConflict(WriteError):
    """The subject's last message is not the expected one; nothing was stored. Read the tail."""


class UnknownOutcome(WriteError):
    """It is unknown whether the messages are stored. Read the tail."""


class StreamFull(WriteError):
    """The stream or the server has no room; nothing was stored. Wait, and alert the operator."""


class MessageTooLarge(WriteError):
    """The message, headers included, exceeds a limit and can never be stored: report the gap."""


class StreamMissing(WriteError):
    """No stream accepts the subject. Wait, and report which command to run."""


class ConnectionGone(WriteError):
    """The connection is closed for good: open a new one."""


class WriteRefused(WriteError):
    """A refusal by the server that waiting does not cure; the message contains its code and description."""

    def __init__(self, code: int, description: str) -> None:
        super().__init__(f"refused by the server: {description} (error {code})")
        self.code = code
        self.description = description


@dataclass(frozen=True, slots=True)
class Stored:
    """The server's confirmation that the messages are stored; `sequence` is the stream sequence of the last one."""

    sequence: int


def read_answer(answer: bytes, stream: str, expected_last: int, batch_id: str | None, count: int) -> Stored:
    """Return the result of a write of `count` messages after `expected_last`, or raise a `WriteError`.

    `batch_id` is the atomic batch's id, or None for a single message. An answer that is neither an error nor exactly
    the confirmation of this write is an unknown outcome, never a success.
    """
    try:
        body = json.loads(answer)
    except ValueError as error:
        raise UnknownOutcome(f"the answer is not JetStream's: {answer[:80]!r}") from error
    if not isinstance(body, dict):
        raise UnknownOutcome(f"the answer is not JetStream's: {answer[:80]!r}")
    if "error" in body:
        raise error_of(body["error"], stream)
    if body.get("duplicate"):
        raise UnknownOutcome(f"{stream} has seen the message id before, and does not say where")
    sequence = body.get("seq")
    if body.get("stream") != stream or not isinstance(sequence, int) or sequence < expected_last + count:
        raise UnknownOutcome(f"the answer does not confirm {count} messages in {stream} after {expected_last}: {body}")
    if batch_id is not None and (body.get("batch"), body.get("count")) != (batch_id, count):
        raise UnknownOutcome(f"the answer does not confirm the batch {batch_id} of {count} messages: {body}")
    return Stored(sequence)


def error_of(error: object, stream: str) -> WriteError:
    """Return the writer's error for the `error` object of a JetStream answer."""
    fields = error if isinstance(error, dict) else {}
    code, description = fields.get("err_code"), str(fields.get("description", "no description"))
    if not isinstance(code, int):
        return UnknownOutcome(f"the answer holds an error without a code: {error}")
    said = f"{stream}: {description} (error {code})"
    if code == _STREAM_MISSING:
        return StreamMissing(f"{said}; {RUN_INIT}")
    for codes, kind in (
        (_STALE, SequenceConflict),
        (_FULL, StreamFull),
        (_TOO_LARGE, MessageTooLarge),
        (_UNCLEAR, UnknownOutcome),
    ):
        if code in codes:
            return kind(said)
    return WriteRefused(code, f"{stream}: {description}")

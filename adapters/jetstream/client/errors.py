# ruff: noqa: N818 - these errors are named for what happened, which is what their reader must act on
"""Errors of JetStream: one tree for connections, requests, reads and writes, and the server's codes mapped to it."""

RUN_INIT = "run `qiki nats init`"

OUT_OF_SPACE = (10002, 10023, 10028, 10047)  # the server's or account's resources, storage, memory
_STALE = (10071, 10164)  # wrong last sequence; the second form when another write is under way
_FULL = (10077, *OUT_OF_SPACE)  # the stream's limit
_TOO_LARGE = (10054, 10097)
_STREAM_MISSING = (10059,)
_NOT_FOUND = (10014, 10037)  # consumer, message
_NOT_ENABLED = (10039, 10076)
# Unavailable, no leader, offline, condition not ready, duplicate under way, too many requests or batches, torn batch,
# a message id that the batch repeats.
_UNCLEAR = (10008, 10009, 10118, 10194, 10163, 10158, 10167, 10210, 10176, 10201)


class JetStreamError(Exception):
    """A request to NATS or JetStream that failed; the message names the remedy."""


class ConnectError(JetStreamError):
    """No NATS server could be reached; the message names the addresses tried and the remedy."""


class ConnectionGone(JetStreamError):
    """The connection is closed for good: open a new one."""


class UnknownOutcome(JetStreamError):
    """No clear answer came: ask again. After a write it is unknown whether the messages are stored: read the tail."""


class SequenceConflict(JetStreamError):
    """The subject's last message is not the expected one; nothing was stored. Read the tail."""


class StreamFull(JetStreamError):
    """The stream or the server has no room; nothing was stored. Wait, and alert the operator."""


class MessageTooLarge(JetStreamError):
    """The message, headers included, exceeds a limit and can never be stored: report the gap."""


class StreamMissing(JetStreamError):
    """No stream has the name or accepts the subject. Wait, and report which command to run."""


class NotFound(JetStreamError):
    """There is no such message or consumer."""


class RequestRefused(JetStreamError):
    """A refusal by the server that waiting does not cure; the message contains its code and description."""

    def __init__(self, code: int, description: str) -> None:
        super().__init__(f"refused by the server: {description}")
        self.code = code
        self.description = description


def error_of(error: object, about: str) -> JetStreamError:
    """Return the error for the `error` object of an answer; `about` names the stream or the operation."""
    fields = error if isinstance(error, dict) else {}
    code, description = fields.get("err_code"), str(fields.get("description", "no description"))
    if not isinstance(code, int):
        return UnknownOutcome(f"the answer about {about} contains an error without a code: {error}")
    text = f"{about}: {description} (error {code}){advice(code)}"
    for codes, kind in (
        (_STALE, SequenceConflict),
        (_FULL, StreamFull),
        (_TOO_LARGE, MessageTooLarge),
        (_STREAM_MISSING, StreamMissing),
        (_NOT_FOUND, NotFound),
        (_UNCLEAR, UnknownOutcome),
    ):
        if code in codes:
            return kind(text)
    return RequestRefused(code, text)


def advice(code: int) -> str:
    """Return the remedy for an error code of the server, as the end of a sentence; empty where none is known."""
    if code in _STREAM_MISSING:
        return f"; {RUN_INIT}"
    if code in OUT_OF_SPACE:
        return "; declare smaller streams with `qiki nats init --size-factor FACTOR`, or give JetStream more room"
    if code in _NOT_ENABLED:
        return "; start nats-server with -js"
    return ""

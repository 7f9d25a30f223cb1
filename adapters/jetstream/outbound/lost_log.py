"""A recorded feed whose log was lost: what the subject's tail shows of it, and what an operator can do. Pure.

A derived feed is computed again; a log that is gone is gone. So a channel of records goes on behind another log's
events only where its loss has been accepted by that log's id.
"""

from collections.abc import Mapping

from adapters.jetstream.codec.cloudevents import HeaderError, from_headers
from adapters.jetstream.outbound.resumption import ChannelStopped, Start, decide
from qiki.common.v1.stream_pb2 import Run

REASON = "AUDIT_LOG_LOST"


def decide_recorded(
    tail_headers: Mapping[str, str] | None, tail_sequence: int, stream_used: bool, log: Run, accepted_log: str
) -> Start:
    """Return where to go on with a log, as `decide` does with a run; `accepted_log` is the id of one that may be lost.

    Raises:
        ChannelStopped: the subject holds another log's events (AUDIT_LOG_LOST), or as `decide`.
    """
    lost_log, last = _tail(tail_headers)
    if lost_log in ("", log.run_id):
        return decide(tail_headers, tail_sequence, stream_used, log)
    if lost_log == accepted_log:
        return Start("", 1, tail_sequence, fresh=True)
    raise ChannelStopped(
        REASON,
        f"the bus holds audit events up to {last} of log {lost_log}, and the registrar serves log {log.run_id}. "
        f"Put the directory of log {lost_log} back and restart the registrar and the bridge; or accept the loss: "
        f"restart the bridge with QIKI_BRIDGE_ACCEPT_LOST_LOG={lost_log}, and log {log.run_id} follows",
    )


def shortened(log_id: str, last: int, why: str) -> ChannelStopped:
    """Return the refusal of a log that no longer holds what the bus does: such as an old copy of it, put back."""
    return ChannelStopped(
        REASON,
        f"the bus holds audit events up to {last} of log {log_id}, and the registrar's copy of it does not ({why}). "
        "Put the newest copy of its directory back and restart the registrar and the bridge; or accept the loss: move "
        f"the directory away, so that a new log begins, and restart both with QIKI_BRIDGE_ACCEPT_LOST_LOG={log_id}",
    )


def _tail(headers: Mapping[str, str] | None) -> tuple[str, int]:
    """Return the log and the sequence of the subject's last message; none where it is not a bridge's."""
    try:
        context = from_headers(headers).context if headers is not None else None
    except HeaderError:  # `decide` tells it
        context = None
    return (context.run_id, context.sequence) if context else ("", 0)

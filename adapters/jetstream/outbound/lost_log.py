"""A recorded feed with a lost log: how the subject's tail shows it, and the operator's options. Pure.

A derived feed can be recomputed; a lost log cannot. A recorded channel therefore continues after another log's
events only where the operator has accepted that log's loss, by its id.
"""

from collections.abc import Mapping

from adapters.jetstream.codec.cloudevents import HeaderError, from_headers
from adapters.jetstream.outbound.resumption import ChannelStopped, Start, decide
from qiki.common.v1.stream_pb2 import Run

REASON = "AUDIT_LOG_LOST"


def decide_recorded(
    tail_headers: Mapping[str, str] | None, tail_sequence: int, stream_used: bool, log: Run, accepted_log: str
) -> Start:
    """Decide where to resume a log, as `decide` does a run; `accepted_log` is the id of a log that may be lost.

    The log of a simulation's run ends with the run, and the next run's log follows it: nothing is lost.

    Raises:
        ChannelStopped: the subject holds another log's events (AUDIT_LOG_LOST), or as `decide`.
    """
    lost_log, last = _tail(tail_headers)
    if lost_log in ("", log.run_id) or is_of_simulation(log):
        return decide(tail_headers, tail_sequence, stream_used, log)
    if lost_log == accepted_log:
        return Start("", 1, tail_sequence, fresh=True)
    raise ChannelStopped(
        REASON,
        f"the bus holds audit events up to {last} of log {lost_log}, and the registrar serves log {log.run_id}. "
        f"Put the directory of log {lost_log} back and restart the registrar and the bridge; or accept the loss: "
        f"restart the bridge with QIKI_BRIDGE_ACCEPT_LOST_LOG={lost_log}, and log {log.run_id} follows",
    )


def is_of_simulation(log: Run) -> bool:
    """Return whether a log belongs to a run of the simulation, which has ticks, and not to itself."""
    return log.tick_ns > 0


def shortened(log_id: str, last: int, why: str) -> ChannelStopped:
    """Return the error for a log that no longer contains what the bus does: such as a restored old copy of it."""
    return ChannelStopped(
        REASON,
        f"the bus holds audit events up to {last} of log {log_id}, and the registrar's copy of it does not ({why}). "
        "Put the newest copy of its directory back and restart the registrar and the bridge; or accept the loss: move "
        f"the directory away, so that a new log begins, and restart both with QIKI_BRIDGE_ACCEPT_LOST_LOG={log_id}",
    )


def _tail(headers: Mapping[str, str] | None) -> tuple[str, int]:
    """Return the log and the sequence of the subject's last message; empty and 0 where no bridge wrote it."""
    try:
        context = from_headers(headers).context if headers is not None else None
    except HeaderError:  # `decide` reports it
        context = None
    return (context.run_id, context.sequence) if context else ("", 0)

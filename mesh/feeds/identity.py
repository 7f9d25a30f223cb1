"""Names derived from the input: ids, sources and traces as functions of the run and the position in it. Pure."""

import hashlib
import uuid
from functools import lru_cache

SAMPLED = "01"


def source(bot_id: str, run_id: str, feed: str) -> str:
    """Return the CloudEvents source of a feed of a run."""
    return f"/qiki/{bot_id}/{run_id}/{feed}"


def event_id(run_id: str, feed: str, sequence: int) -> str:
    """Return the id of the event at this position: a UUID of version 5 (RFC 9562) in the run's namespace."""
    return str(uuid.uuid5(uuid.UUID(run_id), f"{feed}/{sequence}"))


@lru_cache(maxsize=16)  # every event of a tick asks again
def trace_id(run_id: str, tick: int) -> str:
    """Return the id of the trace shared by all events derived from this tick, replayed ones included."""
    return hashlib.blake2b(f"{run_id}/{tick}".encode(), digest_size=16).hexdigest()


def traceparent(run_id: str, tick: int, feed: str, sequence: int, flags: str = SAMPLED) -> str:
    """Return the W3C trace context of the event's origin.

    The trace is a function of (run, tick), so that a replayed event, and every event derived from the same tick, joins
    the same trace; the span is a function of the event.
    """
    return f"00-{trace_id(run_id, tick)}-{_span_id(f'{run_id}/{feed}/{sequence}')}-{flags}"


def caused_traceparent(cause: str, feed: str, sequence: int) -> str:
    """Return the trace context of an event of a recorded feed: a span of its own in the trace of its cause."""
    _version, trace, _span, flags = cause.split("-")
    return f"00-{trace}-{_span_id(f'{feed}/{sequence}')}-{flags}"


def tick_traceparent(run_id: str, tick: int, flags: str = SAMPLED) -> str:
    """Return the W3C trace context of the tick: the root of its trace."""
    return f"00-{trace_id(run_id, tick)}-{_span_id(f'{run_id}/tick/{tick}')}-{flags}"


def _span_id(name: str) -> str:
    return hashlib.blake2b(name.encode(), digest_size=8).hexdigest()

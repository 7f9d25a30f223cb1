"""Channel options: one set of transport options for clients and servers of the mesh, so that both ends match."""

import grpc

from qiki_sdk.tracing import TraceContextInterceptor

MAX_MESSAGE_BYTES = 4 * 1024 * 1024
LOOKAHEAD_BYTES = 64 * 1024
KEEPALIVE_TIME_MS = 10_000
KEEPALIVE_TIMEOUT_MS = 5_000

# Without it a stalled reader lets a server run megabytes ahead; both ends must set it.
_BOUNDED_WINDOW = (("grpc.http2.bdp_probe", 0),)

CLIENT_OPTIONS: tuple[tuple[str, int], ...] = (
    *_BOUNDED_WINDOW,
    ("grpc.keepalive_time_ms", KEEPALIVE_TIME_MS),
    ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_MS),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.initial_reconnect_backoff_ms", 100),
    # Also the time limit for connecting: not shorter than a slow machine needs.
    ("grpc.min_reconnect_backoff_ms", 2_000),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.enable_retries", 0),
)

SERVER_OPTIONS: tuple[tuple[str, int], ...] = (
    *_BOUNDED_WINDOW,
    # Allows the clients' pings at their rate, and somewhat faster.
    ("grpc.http2.min_ping_interval_without_data_ms", KEEPALIVE_TIME_MS // 2),
    ("grpc.http2.max_ping_strikes", 2),
    ("grpc.keepalive_time_ms", KEEPALIVE_TIME_MS),
    ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_MS),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    # On by default: a second server would bind the same port without an error.
    ("grpc.so_reuseport", 0),
)


def connect(target: str, *, lookahead_bytes: int = LOOKAHEAD_BYTES) -> grpc.aio.Channel:
    """Return a channel to a server of the mesh at `host:port`. Close it, or use it as an async context manager.

    `lookahead_bytes` is how far a server may send ahead of the reader of a stream: larger for a reader in bulk, which
    would otherwise wait for the server after each burst.
    """
    return grpc.aio.insecure_channel(
        target,
        options=(*CLIENT_OPTIONS, ("grpc.http2.lookahead_bytes", lookahead_bytes)),
        interceptors=(TraceContextInterceptor(),),
    )

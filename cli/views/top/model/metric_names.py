"""Names of all metrics that the view reads. A metric that a service does not export is unknown, never 0."""

from typing import Final

PROCESS_CPU_SECONDS: Final = "process_cpu_seconds_total"
PROCESS_RESIDENT_BYTES: Final = "process_resident_memory_bytes"
PROCESS_START_SECONDS: Final = "process_start_time_seconds"

FEED_EVENTS: Final = "qiki_feed_events_total"  # labels: feed
FEED_CONFIRMED: Final = "qiki_feed_confirmed_sequence"  # labels: feed, reader
FEED_BLOCKED_SECONDS: Final = "qiki_feed_blocked_seconds"  # labels: feed, reader

BRIDGE_PUBLISHED: Final = "qiki_bridge_published_messages_total"  # labels: channel
BRIDGE_MISSING: Final = "qiki_bridge_missing_events_total"  # labels: channel
BRIDGE_WAITING: Final = "qiki_bridge_waiting_messages"  # labels: channel

DURABLE_LAG: Final = "qiki_jetstream_consumer_lag"  # labels: stream, consumer
DURABLE_ACK_PENDING: Final = "qiki_jetstream_consumer_ack_pending"
DURABLE_REDELIVERED: Final = "qiki_jetstream_consumer_redelivered"
DURABLE_OLDEST_AGE: Final = "qiki_jetstream_consumer_oldest_age_seconds"
STREAM_BYTES: Final = "qiki_jetstream_stream_bytes"  # labels: stream
STREAM_LIMIT_BYTES: Final = "qiki_jetstream_stream_limit_bytes"
DEAD_LETTERS: Final = "qiki_jetstream_dead_letters"

QUARANTINED: Final = "qiki_fold_quarantined_total"  # labels: feed
AUDIT_EVENTS: Final = "qiki_audit_events_total"  # labels: outcome
MESSAGES_SENT: Final = "qiki_rpc_stream_messages_sent_total"  # labels: method

# The events that a service handles: the first of these that it exports, summed over its labels.
EVENT_COUNTERS: Final = (FEED_EVENTS, BRIDGE_PUBLISHED, MESSAGES_SENT)

# nats-server exports no such metrics: its `/varz` is presented under these names and those of a process.
NATS_MESSAGES: Final = "nats_in_msgs_total"
NATS_CPU_PERCENT: Final = "nats_cpu_percent"

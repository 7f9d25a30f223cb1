"""Commands `qiki nats`: streams, dead letters, and runs that are no longer needed."""

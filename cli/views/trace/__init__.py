"""Trace viewer: a collector of OTLP spans with a bounded store, and traces as a waterfall in terminal and HTML."""

"""Collector of traces: receives OTLP and keeps the spans in a bounded store."""

"""Data of a running mesh: its addresses, health, metrics and streams, each request bounded."""

"""Inbound readers: durable consumers with messages that become RPCs, and dead letters."""

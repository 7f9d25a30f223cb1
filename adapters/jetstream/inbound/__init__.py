"""Inbound readers: durable consumers whose messages become RPCs, and dead letters."""

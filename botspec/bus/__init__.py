"""The bot on NATS: streams, durables and subjects."""

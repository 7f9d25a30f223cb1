"""Outbound channels: a feed's events published to their subject."""

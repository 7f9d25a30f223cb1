"""Feeds: contiguous event sequences, their retention, readers, tokens and Watch streams."""

"""Outbound channels: a feed's events onto their subject."""

"""Derived from a BotSpec: runtime configurations, pictures, and the difference of two."""

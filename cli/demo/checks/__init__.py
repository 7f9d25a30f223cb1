"""Checks of a finished run: every stored message, and what can be computed again."""

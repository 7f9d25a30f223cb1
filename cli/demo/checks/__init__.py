"""Checks of a finished run: every stored message, and every output that can be recomputed."""

"""Rendering: pure functions from the state to lines of text."""

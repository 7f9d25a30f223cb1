"""Views of a running mesh: live in the terminal, and of its traces."""

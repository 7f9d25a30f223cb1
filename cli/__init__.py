"""The qiki command."""

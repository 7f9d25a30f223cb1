"""The terminal: its mode, its keys, its screen."""

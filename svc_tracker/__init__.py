"""The tracker: turns radar frames into tracks."""

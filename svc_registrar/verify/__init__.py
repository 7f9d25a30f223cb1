"""Verification of a log's files without the service: the first record that is wrong, and in which way."""

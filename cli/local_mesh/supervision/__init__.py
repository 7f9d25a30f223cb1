"""Supervision: child processes started, restarted, and ended with their supervisor."""

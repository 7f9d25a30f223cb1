"""Verification: reading subjects back from JetStream and counting their events."""

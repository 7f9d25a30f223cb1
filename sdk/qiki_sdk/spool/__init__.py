"""The spool of audit events: numbered, bounded, on the disk."""

"""`qiki audit`: read the audit trail, and prove it."""

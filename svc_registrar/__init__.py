"""The registrar: keeps the audit trail, with a receipt only for what is on the disk."""

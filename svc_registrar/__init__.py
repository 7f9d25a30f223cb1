"""The registrar: keeps the audit trail; gives a receipt for an event only once the event is on the disk."""

"""Data association: gating, assignment, and what a scan says of each track's existence."""

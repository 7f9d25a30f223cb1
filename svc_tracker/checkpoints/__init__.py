"""Checkpoints of the tracker's fold: kept beside it, recorded as safe, and resumed from."""

"""Checkpoints of the tracker's fold: written concurrently, recorded as safe, and resumed from."""

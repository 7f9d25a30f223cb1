"""Durability of the simulator: reserved ticks, the command journal, and storage health."""

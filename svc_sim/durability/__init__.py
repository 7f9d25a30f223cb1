"""Durability of the simulator: reserved ticks and the command journal."""

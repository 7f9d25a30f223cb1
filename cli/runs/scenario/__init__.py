"""Scenarios: the catalogue, a run judged by its goals, and the agents in it."""

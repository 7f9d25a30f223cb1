"""Scenarios: contacts, faults, goals and turns, from the file to the domain's values."""

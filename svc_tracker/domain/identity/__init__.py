"""Identification: transponder replies, spoofing evidence, friend or foe, target classification."""

"""Judgement of a run by the goals of its scenario."""

"""The craft of one run: from its specification to its state, effects and reports."""

"""Work on whole runs: scenarios, replay, and comparison."""

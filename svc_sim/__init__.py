"""The simulator: owns the truth of the world and its time."""

"""JetStream topology: the declared streams and durables, how they differ, and how far each lags."""

"""JetStream topology: the declared streams and durables, their differences from the server's, and their lag."""

"""JetStream client: connections, requests, conditional writes, and reads that survive failures."""

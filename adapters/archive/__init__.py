"""The archive: replays what stands in JetStream as the streams that it came from."""

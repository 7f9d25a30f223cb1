"""Archive: replay of the events stored in JetStream, as the streams that they came from."""

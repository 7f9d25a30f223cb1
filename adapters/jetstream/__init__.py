"""The bridge between gRPC streams and NATS JetStream; the only importer of nats."""

"""Serving: the process lifecycle of a service, its gRPC and HTTP servers, health and refusals."""

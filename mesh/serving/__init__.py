"""Serving: the process life of a service, its gRPC and HTTP servers, health and refusals."""

"""Bridges between gRPC and other transports."""

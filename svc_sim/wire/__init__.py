"""Conversion between protobuf messages and the simulator's domain."""

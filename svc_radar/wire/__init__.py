"""Conversion between protobuf messages and the radar's domain."""

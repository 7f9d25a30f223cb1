"""Tracking metrics: tracks against truth, and errors against their covariances. Offline: no service imports them."""

"""Recordings tooling: state vectors of real traffic into smooth trajectories."""

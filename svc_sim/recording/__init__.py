"""Recordings of real traffic: state vectors in, clean and smooth trajectories out."""

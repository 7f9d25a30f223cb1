"""Storage of a mesh on this machine: its state directory, its runs, and the space on its disk."""

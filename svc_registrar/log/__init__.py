"""The log on the disk: segments of lines, the tree and the index over them, and the signed checkpoints."""

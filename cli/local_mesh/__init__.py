"""Local mesh: the processes of a whole mesh on this machine, supervised."""

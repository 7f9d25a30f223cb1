"""`qiki top`: a live view of a running mesh in the terminal."""

"""Motion of the contacts: by legs, at random, and as recorded."""

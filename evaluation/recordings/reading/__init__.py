"""Reading of recordings: tables of raw values into checked state vectors."""

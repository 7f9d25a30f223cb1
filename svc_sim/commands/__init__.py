"""Commands: their execution, their life as a feed, and the records of their ends."""

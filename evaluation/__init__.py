"""How good tracks are: tracks against the truth, and errors against their covariance; all of it computed, none kept."""

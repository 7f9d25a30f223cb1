"""Association: gate, assignment, detection probability, existence."""

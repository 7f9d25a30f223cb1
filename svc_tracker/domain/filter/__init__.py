"""Filter: motion, IMM, predicted measurement, update, initiation."""

"""Guard: alarms of its rules over the tracks."""

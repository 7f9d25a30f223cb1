"""What every service stands on: serving, feeds, telemetry, settings, clock, errors."""

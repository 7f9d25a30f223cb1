"""Foundation of every service: serving, feeds, telemetry, settings, clock, errors."""

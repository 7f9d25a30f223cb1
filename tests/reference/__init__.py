"""The body's manoeuvres beside other simulators, each in a virtual environment of its own (`make references`)."""

"""The own ship with a state: body, subsystems and sensors, and the orders that change it."""

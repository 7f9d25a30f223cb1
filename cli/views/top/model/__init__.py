"""State of the view: pure functions from answers to the state that is shown."""

"""Components of a bot: its body, power, heat, emitters, sensors and radars, and the checks of their assembly."""

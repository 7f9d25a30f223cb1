"""The own ship's body: mass, thrusters, six degrees of freedom, and the control that turns set-points into thrust."""

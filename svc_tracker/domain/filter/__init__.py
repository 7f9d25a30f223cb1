"""The filter: an interacting multiple model of extended Kalman filters."""

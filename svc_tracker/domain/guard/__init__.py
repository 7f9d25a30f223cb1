"""The guard: alarm rules over the tracks, and their motion relative to the own ship."""

"""Comparison of another simulator's states with ours, within stated tolerances. Standard library only."""

import json
import math
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

State = dict[str, Any]
Flight = Callable[[dict[str, Any]], Iterator[State]]
"""Flies one manoeuvre in another simulator and yields its state after each tick that `states` lists, in their order."""

TOLERANCES = {
    "position_m": 2e-7,
    "velocity_mps": 2e-7,
    "attitude_rad": 2e-7,
    "angular_rate_rps": 5e-9,
    "propellant_kg": 1e-9,
}
"""Largest differences, relative to the largest value of the manoeuvre where that exceeds 1 (m, m/s, rad/s, kg)."""


def run(simulator: str, fly: Flight) -> int:
    """Fly the manoeuvres of the file on the command line, print the differences, return 1 where one is too large."""
    manoeuvres = json.loads(Path(sys.argv[1]).read_text())
    failures = 0
    for manoeuvre in manoeuvres:
        worst = differences(manoeuvre["states"], list(fly(manoeuvre)))
        late = [name for name, value in worst.items() if not value <= TOLERANCES[name]]
        failures += bool(late)
        text = ", ".join(f"{name} {value:.1e}" for name, value in worst.items())
        print(f"{simulator} {manoeuvre['name']:<8} {'FAILED' if late else 'agrees'}: {text}")
    print(f"{simulator}: tolerance {TOLERANCES}; {len(manoeuvres)} manoeuvres, {failures} failed")
    return 1 if failures or not manoeuvres else 0


def differences(ours: list[State], theirs: list[State]) -> dict[str, float]:
    """Return the largest difference of each quantity over all states."""
    assert len(ours) == len(theirs) > 0, f"{len(theirs)} states of the reference beside {len(ours)} of ours"
    worst = dict.fromkeys(TOLERANCES, 0.0)
    for name in ("position_m", "velocity_mps", "angular_rate_rps"):
        size = max(1.0, *(abs(value) for state in ours for value in state[name]))
        for a, b in zip(ours, theirs, strict=True):
            worst[name] = largest(worst[name], math.dist(a[name], b[name]) / size)
    size = max(1.0, *(state["propellant_kg"] for state in ours))
    for a, b in zip(ours, theirs, strict=True):
        worst["propellant_kg"] = largest(worst["propellant_kg"], abs(a["propellant_kg"] - b["propellant_kg"]) / size)
        worst["attitude_rad"] = largest(worst["attitude_rad"], angle(a["attitude"], b["attitude"]))
    return worst


def largest(a: float, b: float) -> float:
    """Return the larger one; NaN counts as infinite."""
    return math.inf if math.isnan(b) else max(a, b)


def angle(p: list[float], q: list[float]) -> float:
    """Return the angle in radians between two attitudes as quaternions, also where it is tiny."""
    apart, across = math.dist(p, q), math.dist(p, [-value for value in q])
    return 4.0 * math.asin(min(1.0, 0.5 * min(apart, across)))

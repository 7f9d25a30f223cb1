"""Manoeuvres of the own ship's body: `python -m reference.manoeuvres FILE` flies them and writes JSON.

The file has all that another simulator needs - craft, start, thrust of each thruster in each phase of ticks - and the
states that ours reaches.
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from craft_models import TICK_S, TILTED, coasting_craft, inspection_craft
from svc_sim.domain.body.control import Autopilot, AutopilotParameters, SetPoints, control
from svc_sim.domain.body.craft import Craft, PropellantTank, RigidBody
from svc_sim.domain.body.integrator import step
from svc_sim.domain.body.state import BodyState, initial_state

SAMPLE_TICKS = 200
Thrusts = tuple[float, ...]


def main(path: str) -> None:
    Path(path).write_text(json.dumps([tumble(), spin(), burn(), firing(), slew()]))


def tumble() -> dict[str, Any]:
    """Torque-free rotation near the intermediate axis, which turns over."""
    craft = coasting_craft()
    start = initial_state(craft, (1.0, 2.0, 3.0), (0.1, -0.2, 0.3), TILTED, (0.002, 0.15, 0.003))
    return flown("tumble", craft, start, [()] * 6000)


def spin() -> dict[str, Any]:
    """Torque-free rotation about all axes."""
    craft = coasting_craft()
    start = initial_state(craft, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0), TILTED, (0.05, 0.1, -0.03))
    return flown("spin", craft, start, [()] * 6000)


def burn() -> dict[str, Any]:
    """Two engines, one on either side, that burn most of the craft's mass in a straight line."""
    model = inspection_craft()
    strong = tuple(
        type(thruster)(thruster.name, thruster.position_m, thruster.direction, 200.0, 300.0)
        for thruster in model.thrusters[:2]
    )
    craft = Craft(RigidBody(60.0, model.body.inertia_kgm2), PropellantTank(140.0, 140.0), strong)
    start = initial_state(craft, (0.0, 0.0, 0.0), (1.0, 2.0, 3.0), TILTED, (0.0, 0.0, 0.0))
    return flown("burn", craft, start, [(150.0, 150.0)] * 26000)


def firing() -> dict[str, Any]:
    """All thrusters at different thrusts, in three phases: translation, rotation and mass change together."""
    craft = inspection_craft()
    start = initial_state(craft, (5.0, 6.0, 7.0), (-1.0, 0.5, 0.0), TILTED, (0.02, -0.03, 0.01))
    first = tuple(0.1 * (1 + index % 4) for index in range(12))
    third = tuple(0.1 * (1 + (11 - index) % 4) for index in range(12))
    return flown("firing", craft, start, [first] * 400 + [(0.0,) * 12] * 200 + [third] * 400)


def slew() -> dict[str, Any]:
    """A controlled turn and change of velocity: the control's thrusts, tick by tick."""
    craft = inspection_craft()
    autopilot = Autopilot(craft, AutopilotParameters(5.0, 0.1, 0.5, 0.2))
    set_points = SetPoints(attitude=(-0.5, 0.5, 0.5, -0.5), velocity_mps=(0.5, 1.0, -0.5))
    start = initial_state(craft, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0), TILTED, (0.01, 0.02, -0.01))
    thrusts, state = [], start
    for _ in range(1600):
        thrusts.append(control(autopilot, state, set_points))
        state = step(craft, state, thrusts[-1], TICK_S)
    return flown("slew", craft, start, thrusts)


def flown(name: str, craft: Craft, start: BodyState, thrusts: list[Thrusts]) -> dict[str, Any]:
    """Return the manoeuvre with the states of ours every SAMPLE_TICKS ticks."""
    state, samples = start, []
    for tick, thrust_n in enumerate(thrusts, 1):
        state = step(craft, state, thrust_n, TICK_S)
        if tick % SAMPLE_TICKS == 0:
            samples.append({"tick": tick, **asdict(state)})
    return {
        "name": name,
        "tick_s": TICK_S,
        "dry_mass_kg": craft.body.dry_mass_kg,
        "inertia_kgm2": craft.body.inertia_kgm2,
        "thrusters": [asdict(thruster) for thruster in craft.thrusters],
        "start": asdict(start),
        "phases": phases(thrusts),
        "states": samples,
    }


def phases(thrusts: list[Thrusts]) -> list[dict[str, Any]]:
    """Return runs of ticks with the same thrusts."""
    found: list[dict[str, Any]] = []
    for thrust_n in thrusts:
        if found and found[-1]["thrust_n"] == thrust_n:
            found[-1]["ticks"] += 1
        else:
            found.append({"ticks": 1, "thrust_n": thrust_n})
    return found


if __name__ == "__main__":
    main(sys.argv[1])

"""Processor time of the own ship's body a step: the integrator alone, and with the control that flies it."""

import time
from collections.abc import Callable

from svc_sim.domain.body.control import Autopilot, AutopilotParameters, SetPoints, control
from svc_sim.domain.body.craft import Craft, PropellantTank, RigidBody, Thruster
from svc_sim.domain.body.integrator import step
from svc_sim.domain.body.state import BodyState, initial_state

STEPS = 1_000
REPEATS = 30
TICK_S = 0.05
LIMIT_US = 20.0


def main() -> None:
    craft = example_craft()
    autopilot = Autopilot(craft, AutopilotParameters(5.0, 0.1, 0.5, 0.2))
    start = initial_state(craft, (0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0), (0.05, 0.1, -0.03))
    idle, firing = (0.0,) * 12, tuple(0.1 + 0.01 * index for index in range(12))
    target = SetPoints(attitude=(0.8, 0.36, -0.48, 0.0), velocity_mps=(0.0, 3.0, -1.0))
    report("coasting", start, lambda state: step(craft, state, idle, TICK_S))
    report("two thrusters firing", start, lambda state: step(craft, state, (0.5, 0.2, *(0.0,) * 10), TICK_S))
    report("twelve thrusters firing", start, lambda state: step(craft, state, firing, TICK_S))
    report("control, then a step", start, lambda state: step(craft, state, control(autopilot, state, target), TICK_S))


def report(name: str, start: BodyState, advance: Callable[[BodyState], BodyState]) -> None:
    fastest_us = min(microseconds(start, advance) for _ in range(REPEATS))
    print(f"{name:<26}{fastest_us:7.1f} us a body and step, processor time (limit of a step: {LIMIT_US:.0f})")


def microseconds(start: BodyState, advance: Callable[[BodyState], BodyState]) -> float:
    """Return the processor time a step of one flight of STEPS steps."""
    state, begin_s = start, time.process_time()
    for _ in range(STEPS):
        state = advance(state)
    return (time.process_time() - begin_s) / STEPS * 1e6


def example_craft() -> Craft:
    """Return a craft of 200 kg with two thrusters for each direction of force, which also turn it about every axis."""
    thrusters = []
    for axis in range(3):
        for sign in (1.0, -1.0):
            for arm in (0.5, -0.5):
                position, direction = [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]
                position[axis], position[(axis + 1) % 3], direction[axis] = -0.8 * sign, arm, sign
                x, y, z = position
                u, v, w = direction
                thrusters.append(Thruster(f"thruster_{len(thrusters)}", (x, y, z), (u, v, w), 2.0, 220.0))
    return Craft(RigidBody(180.0, (62.0, 55.0, 38.0)), PropellantTank(400.0, 400.0), tuple(thrusters))


if __name__ == "__main__":
    main()

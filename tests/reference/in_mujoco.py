"""The manoeuvres in MuJoCo: a free body, thrusters as actuators at sites, its Runge-Kutta integrator of order 4.

MuJoCo has no propellant: the mass of each of its steps is set to the mean of its start and end. Its attitude converges
with a lower order than its rates, so it takes several steps in a tick.
"""

import sys
from collections.abc import Iterator
from typing import Any

import mujoco

from reference.comparison import State, run

G0_MPS2 = 9.80665
STEPS_PER_TICK = 10


def fly(manoeuvre: dict[str, Any]) -> Iterator[State]:
    model = mujoco.MjModel.from_xml_string(model_xml(manoeuvre))
    data, scratch = mujoco.MjData(model), mujoco.MjData(model)
    start = manoeuvre["start"]
    data.qpos[:] = [*start["position_m"], *start["attitude"]]
    data.qvel[:] = [*start["velocity_mps"], *start["angular_rate_rps"]]
    propellant_kg, tick = start["propellant_kg"], 0
    for phase in manoeuvre["phases"]:
        burners = zip(phase["thrust_n"], manoeuvre["thrusters"], strict=True)
        flow_kgps = sum(thrust_n / (thruster["specific_impulse_s"] * G0_MPS2) for thrust_n, thruster in burners)
        burnt_kg = flow_kgps * manoeuvre["tick_s"] / STEPS_PER_TICK
        if model.nu:
            data.ctrl[:] = phase["thrust_n"]
        for _ in range(phase["ticks"]):
            for _ in range(STEPS_PER_TICK):
                model.body_mass[1] = manoeuvre["dry_mass_kg"] + propellant_kg - 0.5 * burnt_kg
                if burnt_kg:
                    mujoco.mj_setConst(model, scratch)
                mujoco.mj_step(model, data)
                propellant_kg -= burnt_kg
            tick += 1
            if tick in {state["tick"] for state in manoeuvre["states"]}:
                yield {
                    "position_m": data.qpos[0:3].tolist(),
                    "attitude": data.qpos[3:7].tolist(),
                    "velocity_mps": data.qvel[0:3].tolist(),
                    "angular_rate_rps": data.qvel[3:6].tolist(),
                    "propellant_kg": propellant_kg,
                }


def model_xml(manoeuvre: dict[str, Any]) -> str:
    sites, actuators = [], []
    for index, thruster in enumerate(manoeuvre["thrusters"]):
        sites.append(f'<site name="t{index}" pos="{numbers(thruster["position_m"])}"/>')
        actuators.append(f'<motor site="t{index}" gear="{numbers(thruster["direction"])} 0 0 0"/>')
    mass_kg = manoeuvre["dry_mass_kg"] + manoeuvre["start"]["propellant_kg"]
    inertia = numbers(manoeuvre["inertia_kgm2"])
    return f"""<mujoco>
      <option timestep="{manoeuvre["tick_s"] / STEPS_PER_TICK}" gravity="0 0 0" integrator="RK4"/>
      <worldbody><body><freejoint/>
        <inertial pos="0 0 0" mass="{mass_kg}" diaginertia="{inertia}"/>{"".join(sites)}
      </body></worldbody>
      <actuator>{"".join(actuators)}</actuator>
    </mujoco>"""


def numbers(values: list[float]) -> str:
    return " ".join(repr(float(value)) for value in values)


if __name__ == "__main__":
    sys.exit(run("mujoco", fly))

"""The manoeuvres in Basilisk: a spacecraft hub, a fuel tank and thrusters, its Runge-Kutta integrator of order 4.

Thrusters and tank are set to deplete mass without the momentum of the flow inside the craft (`updateOnly`), and the
tank is a point, so that the inertia stays that of the hub: the model of the domain.
"""

import sys
from collections.abc import Iterator
from typing import Any

from Basilisk.architecture import messaging
from Basilisk.simulation import fuelTank, spacecraft, thrusterDynamicEffector
from Basilisk.utilities import SimulationBaseClass, macros

from reference.comparison import State, run

FOREVER_S = 1e6
POINT_M = 1e-9


def fly(manoeuvre: dict[str, Any]) -> Iterator[State]:
    simulation = SimulationBaseClass.SimBaseClass()
    tick_ns = macros.sec2nano(manoeuvre["tick_s"])
    simulation.CreateNewProcess("process").addTask(simulation.CreateNewTask("task", tick_ns))
    craft = hub(manoeuvre)
    kept = [craft]
    thrusters = tank = None
    if manoeuvre["thrusters"]:
        thrusters, tank, messages = propulsion(manoeuvre, craft)
        kept += [thrusters, tank, *messages]
        simulation.AddModelToTask("task", thrusters)
        simulation.AddModelToTask("task", tank)
    simulation.AddModelToTask("task", craft)
    simulation.InitializeSimulation()
    wanted, tick = {state["tick"] for state in manoeuvre["states"]}, 0
    for phase in manoeuvre["phases"]:
        if thrusters is not None:
            for index, thrust_n in enumerate(phase["thrust_n"]):
                thrusters.thrusterData[index].MaxThrust = thrust_n
        for stop in stops(tick, tick + phase["ticks"], wanted):
            simulation.ConfigureStopTime(stop * tick_ns)
            simulation.ExecuteSimulation()
            if stop in wanted:
                yield state_of(craft, tank)
        tick += phase["ticks"]


def stops(begin: int, end: int, wanted: set[int]) -> list[int]:
    return sorted({tick for tick in wanted if begin < tick < end} | {end})


def hub(manoeuvre: dict[str, Any]) -> Any:
    craft, start = spacecraft.Spacecraft(), manoeuvre["start"]
    craft.ModelTag = "craft"
    craft.hub.mHub = manoeuvre["dry_mass_kg"]
    craft.hub.r_BcB_B = column([0.0, 0.0, 0.0])
    x, y, z = manoeuvre["inertia_kgm2"]
    craft.hub.IHubPntBc_B = [[x, 0.0, 0.0], [0.0, y, 0.0], [0.0, 0.0, z]]
    craft.hub.r_CN_NInit = column(start["position_m"])
    craft.hub.v_CN_NInit = column(start["velocity_mps"])
    w, *vector = start["attitude"]
    craft.hub.sigma_BNInit = column([value / (1.0 + w) for value in vector])
    craft.hub.omega_BN_BInit = column(start["angular_rate_rps"])
    return craft


def propulsion(manoeuvre: dict[str, Any], craft: Any) -> tuple[Any, Any, list[Any]]:
    thrusters = thrusterDynamicEffector.ThrusterDynamicEffector()
    thrusters.ModelTag = "thrusters"
    for thruster in manoeuvre["thrusters"]:
        data = thrusterDynamicEffector.THRSimConfig()
        data.thrLoc_B = column(thruster["position_m"])
        data.thrDir_B = column(thruster["direction"])
        data.steadyIsp = thruster["specific_impulse_s"]
        data.MaxThrust = 0.0
        data.MinOnTime = 0.0
        data.updateOnly = True
        thrusters.addThruster(data)
    craft.addDynamicEffector(thrusters)
    tank, model = fuelTank.FuelTank(), fuelTank.FuelTankModelConstantVolume()
    tank.setTankModel(model)
    model.propMassInit = manoeuvre["start"]["propellant_kg"]
    model.r_TcT_TInit = column([0.0, 0.0, 0.0])
    model.radiusTankInit = POINT_M
    tank.setR_TB_B(column([0.0, 0.0, 0.0]))
    tank.setUpdateOnly(True)
    craft.addStateEffector(tank)
    tank.addThrusterSet(thrusters)
    command = messaging.THRArrayOnTimeCmdMsgPayload()
    command.OnTimeRequest = [FOREVER_S] * len(manoeuvre["thrusters"])
    message = messaging.THRArrayOnTimeCmdMsg().write(command)
    thrusters.cmdsInMsg.subscribeTo(message)
    return thrusters, tank, [model, message]


def state_of(craft: Any, tank: Any) -> State:
    message = craft.scStateOutMsg.read()
    sigma = message.sigma_BN
    square = sum(value * value for value in sigma)
    return {
        "position_m": list(message.r_CN_N),
        "velocity_mps": list(message.v_CN_N),
        "attitude": [(1.0 - square) / (1.0 + square), *(2.0 * value / (1.0 + square) for value in sigma)],
        "angular_rate_rps": list(message.omega_BN_B),
        "propellant_kg": 0.0 if tank is None else mass_state(craft, tank),
    }


def mass_state(craft: Any, tank: Any) -> float:
    """The integrated state: the tank's message is of the step before."""
    return craft.dynManager.getStateObject(tank.getNameOfMassState()).getState()[0][0]


def column(values: list[float]) -> list[list[float]]:
    return [[float(value)] for value in values]


if __name__ == "__main__":
    sys.exit(run("basilisk", fly))

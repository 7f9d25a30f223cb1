"""Draws of a contact's random manoeuvres, keyed by seed, contact and number."""

from collections.abc import Sequence

from mesh.rng import generator
from svc_sim.domain.contacts.motion import RandomManeuvers
from svc_sim.domain.kinematics import Maneuver
from svc_sim.domain.scenario.types import MAX_LEGS


def random_maneuvers(motion: RandomManeuvers, name: str, seed: int, until_s: float) -> Sequence[Maneuver]:
    """Return a contact's manoeuvres up to a time; none depends on the draw of another."""
    maneuvers: list[Maneuver] = []
    end_s = 0.0
    while end_s < until_s and len(maneuvers) < MAX_LEGS:
        draw = generator(seed, f"contacts/{name}/maneuver", len(maneuvers)).random(3).tolist()
        shortest_s, longest_s = motion.leg_s
        duration_s = shortest_s + (longest_s - shortest_s) * draw[0]
        turn_rate_dps = motion.turn_rate_dps * (2.0 * draw[1] - 1.0)
        maneuvers.append(Maneuver(duration_s, turn_rate_dps, motion.climb_mps * (2.0 * draw[2] - 1.0)))
        end_s += duration_s
    return maneuvers

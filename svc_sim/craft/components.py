"""Components of a bot by name, for the faults of a scenario."""

from botspec.components.radar import Radar
from botspec.components.sensors import Sensor
from botspec.sections import Fitted
from svc_sim.domain.scenario.faults import BotPart


def bot_parts(spec: Fitted) -> dict[str, BotPart]:
    """Return the components of a bot, by their names."""
    return {
        component.name: BotPart(
            component.type, str(component.sensor_id) if isinstance(component, Sensor | Radar) else ""
        )
        for component in spec.components
    }

"""Settings of the bridge."""

from typing import ClassVar

from pydantic_settings import SettingsConfigDict

from mesh.settings import Port, ServiceSettings


class BridgeSettings(ServiceSettings):
    """The bridge's settings; the environment variables have the prefix `QIKI_BRIDGE_`.

    `accept_lost_log` is the id of an audit log that is accepted as lost: another may then follow it on the bus.
    """

    model_config = SettingsConfigDict(env_prefix="QIKI_BRIDGE_")
    service_name: ClassVar[str] = "bridge"

    grpc_port: int = Port(50055)
    http_port: int = Port(9105)
    nats_url: str = "nats://127.0.0.1:4222"
    sim_target: str = "127.0.0.1:50051"
    radar_target: str = "127.0.0.1:50052"
    tracker_target: str = "127.0.0.1:50053"
    accept_lost_log: str = ""

    def target_of(self, service: str) -> str:
        """Return the address of a service, by its full name such as `qiki.sim.v1.SimService`.

        Raises:
            ValueError: no target is known for it.
        """
        name = f"{service.split('.')[1]}_target"
        if name not in type(self).model_fields:
            raise ValueError(f"no target is known for {service}")
        target: str = getattr(self, name)
        return target

"""The chain as processes; every connection between them runs through a link that can be disturbed."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from botspec.example import example_bots
from chain import RUN_ID, START_TIME
from chaos.proxy import HOST, Link
from chaos.schedule import LINKS, PROCESSES
from cli.local_mesh.mesh import Mesh, open_mesh
from cli.local_mesh.options import MeshOptions
from cli.local_mesh.ports import choose_ports
from cli.local_mesh.supervision.child import RestartPolicy

SEED = 7
# A bot with a rigid body: its world has a state, which must survive with all the rest.
BOT_ID = "inspector-01"
BOT_SPEC = example_bots()["inspection-craft"]
# A killed process is restarted at once: the tests are about frequent restarts.
AT_ONCE = RestartPolicy(first_delay_s=0.1, factor=1.0, max_delay_s=0.1)
CHECKPOINT_PERIOD_S = "5"

SCENARIO = """
schema_version: 1
name: circles
duration_s: {duration_s}
own_ship: {{position_m: [0, 0, 0], course_deg: 45, speed_mps: 0}}
contacts:
{contacts}
"""
CONTACT = """  - name: contact-{number}
    object_type: drone
    position_m: [{x_m}, {y_m}, {z_m}]
    course_deg: {course_deg}
    speed_mps: 60
    rcs_dbsm: 5
    transponder: {{mode: "on", id: QK-{number}}}
    legs:
      - {{duration_s: {duration_s}, turn_rate_dps: {turn_rate_dps}}}
"""


@dataclass(frozen=True, slots=True)
class Arena:
    """A mesh, and the links between its parts by name."""

    mesh: Mesh
    links: dict[str, Link]

    @property
    def journal(self) -> Path:
        """The simulator's command journal."""
        return self.mesh.state_dir / "sim" / "commands.journal"

    def pid(self, process: str) -> int | None:
        """Return the process id; None while it is not alive."""
        pid = self.mesh.endpoints()[process].get("pid")
        return None if pid is None else int(pid)


def write_scenario(path: Path, duration_s: float) -> Path:
    """Write a scenario of targets that circle in view of both radars until the end."""
    contacts = "".join(
        CONTACT.format(
            number=number,
            x_m=-6000 + 2500 * number,
            y_m=4000 - 1500 * number,
            z_m=300 + 200 * number,
            course_deg=60 * number,
            duration_s=duration_s,
            turn_rate_dps=1.5 if number % 2 else -2.0,
        )
        for number in range(5)
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(SCENARIO.format(duration_s=duration_s, contacts=contacts))
    return path


@asynccontextmanager
async def arena(
    directory: Path,
    scenario: Path,
    speed: str,
    links: Sequence[str] = LINKS,
    settings: Sequence[tuple[str, str, str]] = (),
) -> AsyncIterator[Arena]:
    """Run the chain on the scenario, lossless, with these links in between; the connections of others are direct."""
    ports = choose_ports({}, free=True)
    async with AsyncExitStack() as stack:
        made = {name: await stack.enter_async_context(Link(name, ports[_server_of(name)])) for name in links}
        options = MeshOptions(
            state_dir=directory / "state",
            scenario=scenario,
            bot_spec=BOT_SPEC,
            speed=speed,
            flow_control="lossless",
            run_id=RUN_ID,
            start_time=START_TIME,
            seed=SEED,
            settings=(
                ("sim", "CHECKPOINT_PERIOD_S", CHECKPOINT_PERIOD_S),
                ("tracker", "CHECKPOINT_PERIOD_S", CHECKPOINT_PERIOD_S),
                *_rewired(made),
                *settings,
            ),
        )
        mesh = await stack.enter_async_context(open_mesh(options, ports, lambda _line: None, policy=AT_ONCE))
        yield Arena(mesh, made)


def _server_of(link: str) -> str:
    """Return which end of a link listens: the first, but for links to NATS and to the registrar."""
    first, second = link.split("-")
    return second if second in ("nats", "registrar") else first


def _rewired(links: dict[str, Link]) -> list[tuple[str, str, str]]:
    """Return the settings that route every client process through its link; skip clients that are no such process."""
    settings = []
    for name, link in links.items():
        server = _server_of(name)
        client = next(end for end in name.split("-") if end != server)
        if client not in PROCESSES:
            continue
        address = f"{HOST}:{link.port}"
        if server == "nats":
            settings.append((client, "NATS_URL", f"nats://{address}"))
        else:
            settings.append((client, f"{server.upper()}_TARGET", address))
    return settings

"""`qiki top` beside a real mesh: every view in a real terminal, a killed service, and one snapshot."""

import asyncio
import json
import os
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from chain import START_TIME, write_scenario
from cli.local_mesh.mesh import open_mesh
from cli.local_mesh.options import MeshOptions
from cli.local_mesh.ports import choose_ports
from cli.local_mesh.supervision.child import RestartPolicy
from cli.views.top.collect.endpoints import SERVICES
from top_terminal import QIKI, TopRun, top

SCENARIO_S = 3600.0
SNAPSHOT_LIMIT_S = 60.0
# A killed service stays dead for as long as the test looks at it.
NO_RESTART = RestartPolicy(first_delay_s=600.0, max_delay_s=600.0)


def look_at_every_view(run: TopRun) -> None:
    run.until(
        lambda screen: "7/7 SERVING" in screen and re.search(r"sim +SERVING .* \d+ MB +[1-9]", screen), "services"
    )
    run.press("2")
    run.until(
        lambda screen: re.search(r"frames +radar +[1-9][0-9.]* +\d+ +\d s bridge \d+, tracker \d+", screen), "feeds"
    )
    run.until(lambda screen: re.search(r"registrar_intake +QIKI_EVENTS_V1 +\d+ ", screen), "durables")
    run.press("4")
    screen = run.until(lambda text: re.search(r"[●■▪◆] [0-9a-f]{4} \w+ +\d+\.\d \d{3} ", text), "a track in the list")
    assert "▲" in screen
    run.until(lambda text: "frames: 0 s old" in text, "frames")
    short_id = re.findall(r"[●■▪◆] ([0-9a-f]{4}) ", screen)[0]
    assert any(short_id in line[:42] for line in screen.splitlines()), "the track is in the plot too"
    range_text = re.search(r"range \S+ \S+", screen)
    assert range_text is not None
    run.press("+")
    run.until(lambda text: "+/- zoom" in text and range_text[0] not in text, "a smaller range")
    run.press("5")
    run.until(lambda text: re.search(r"\d\d:\d\d:\d\d +101 BOOT_OK +\w+ +\S", text), "audit events")
    run.press("3")
    run.until(lambda text: re.search(r"since +for level +alert", text), "alerts")


def see_the_radar_die(run: TopRun, pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    run.until(lambda text: re.search(r"error +radar is UNREACHABLE: no connection", text), "the alert")
    run.press("1")
    run.until(
        lambda text: "6/7 SERVING" in text and re.search(r"radar +UNREACHABLE .* stale \d+ s", text), "the status"
    )
    run.press("2")
    run.until(lambda text: re.search(r"frames +radar .* stale, \d+ s old", text), "the frames are stale")
    run.press("4")
    run.until(lambda text: re.search(r"frames: STALE, \d+ s old", text), "the radar picture is stale")
    run.press("q")
    assert run.end() == 0
    assert run.line_mode() == run.mode


def snapshot(state_dir: Path, *arguments: str) -> str:
    command = [*QIKI, "top", "--state-dir", str(state_dir), *arguments]
    result = subprocess.run(command, capture_output=True, text=True, timeout=SNAPSHOT_LIMIT_S, check=True)
    assert "\x1b" not in result.stdout
    return result.stdout


def check_the_snapshots(state_dir: Path) -> None:
    found: dict[str, Any] = json.loads(snapshot(state_dir, "--once", "--json"))
    services = {service["name"]: service for service in found["services"]}
    assert list(services) == list(SERVICES)
    assert services["radar"]["status"] == "UNREACHABLE"
    assert services["radar"]["stale"] is True
    assert services["radar"]["cpu_percent"] is None
    assert [name for name, service in services.items() if service["status"] == "SERVING"] == [
        name for name in SERVICES if name != "radar"
    ]
    assert services["sim"]["resident_bytes"] > 1e7
    streams = {stream["feed"]: stream for stream in found["streams"]}
    assert streams["world"]["events_per_s"] > 0
    assert "frames" not in streams, "unknown to a snapshot that never saw it"
    assert {durable["durable"] for durable in found["durables"]} >= {"registrar_intake", "sim_commands"}
    assert found["radar"]["tracks"]
    assert found["radar"]["age_s"] > 0
    assert any(event["name"] == "BOOT_OK" for event in found["audit"]["events"])
    assert any("radar is UNREACHABLE" in alert["text"] for alert in found["alerts"])
    text = snapshot(state_dir, "--once")
    assert re.search(r"^radar +UNREACHABLE ", text, re.MULTILINE)
    assert [title for title in text.splitlines() if title.isupper()] == [
        "SERVICES",
        "STREAMS",
        "ALERTS",
        "RADAR",
        "AUDIT",
    ]


@pytest.mark.asyncio
async def test_every_view_shows_the_running_mesh_and_a_killed_service_becomes_unreachable(tmp_path: Path) -> None:
    options = MeshOptions(
        state_dir=tmp_path / "state",
        scenario=write_scenario(tmp_path, SCENARIO_S),
        speed="1",
        flow_control="live",
        start_time=START_TIME,
    )
    async with open_mesh(options, choose_ports({}, free=True), print, policy=NO_RESTART) as mesh:
        with top("--state-dir", str(mesh.state_dir)) as run:
            await asyncio.to_thread(look_at_every_view, run)
            await asyncio.to_thread(see_the_radar_die, run, int(mesh.endpoints()["radar"]["pid"]))
        await asyncio.to_thread(check_the_snapshots, mesh.state_dir)

"""`qiki demo` as a user runs it: its report of a real run, its picture, and the problems it finds."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import nats
import pytest

from cli.local_mesh.options import SERVICES
from nats_server import NatsServer

QIKI = (sys.executable, "-P", "-m", "cli")
TIMEOUT_S = 120.0
SUBJECTS = {
    "qiki.sim.v1.world",
    "qiki.sim.v1.sensors",
    "qiki.radar.v1.frames",
    "qiki.radar.v1.tracks",
    "qiki.events.v1.audit",
    "qiki.events.v1.guard",
}
MAYBE_EMPTY = {"qiki.events.v1.guard"}
SCENARIO = """
schema_version: 1
name: short
duration_s: 60.0
own_ship: {position_m: [0.0, 0.0, 0.0], course_deg: 0.0, speed_mps: 10.0}
contacts:
  - name: drone
    object_type: drone
    position_m: [2000.0, 3000.0, 200.0]
    course_deg: 200.0
    speed_mps: 60.0
    rcs_dbsm: -5.0
  - name: far
    object_type: aircraft
    position_m: [300000.0, 0.0, 9000.0]
    rcs_dbsm: 20.0
"""


def demo(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the demonstration of the scenario in a separate directory, without a terminal."""
    directory.mkdir(exist_ok=True)
    (directory / "short.yaml").write_text(SCENARIO)
    (directory / "tmp").mkdir(exist_ok=True)
    return subprocess.run(
        [*QIKI, "demo", "--scenario", "short.yaml", *arguments],
        cwd=directory,
        env={**os.environ, "TMPDIR": str(directory / "tmp"), "COLUMNS": "200"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def facts(output: str) -> dict[str, str]:
    """Return the lines of the report by their labels."""
    return {
        match[1]: match[2] for line in output.splitlines() if (match := re.match(r"([a-zA-Z ]{2,13}?) {2,}(.+)", line))
    }


def rows(output: str) -> dict[str, list[str]]:
    """Return the table's lines by subject."""
    return {line.split()[0]: line.split()[1:] for line in output.splitlines() if line.startswith("qiki.")}


def test_the_demo_reports_statistics_counts_every_event_once_and_writes_a_picture(tmp_path: Path) -> None:
    result = demo(tmp_path, "--duration", "30")
    assert result.returncode == 0, result.stdout + result.stderr
    summary, table = facts(result.stdout), rows(result.stdout)
    assert summary["simulated"].startswith("30 s of short in ")
    assert summary["in the world"] == "1 drone, 1 aircraft; 1 of them in view of a radar"
    assert summary["scans"] == "30 of radar-long, 60 of radar-short"
    assert summary["tracks"] == "1 confirmed, 1 of them at the end"
    assert re.match(r"\d+ m \(c = 2000 m, p = 2, alpha = 2\)", summary["GOSPA"])
    assert re.match(r"completeness \d\.\d{3}, ambiguity \d\.\d{3}, spuriousness \d\.\d{3} ", summary["SIAP"])
    assert re.match(r"\d+ switch(es)? of a contact's track, \d+ breaks? ", summary["track ids"])
    assert re.match(r"p50 \d+ ms, p99 \d+ ms over 90 frames", summary["latency"])
    assert f"101 BOOT_OK x {len(SERVICES)}" in summary["audit events"]
    assert re.match(r"\d+ messages: headers, ids, order, and each payload by the digest", summary["checked"])
    assert "90 track sets and " in result.stdout
    assert "computed again from the stored frames" in result.stdout
    assert table.keys() == SUBJECTS
    assert table["qiki.radar.v1.tracks"] == ["90", "90", "0", "equal"]
    assert all(row[-1] == "equal" and row[0] == row[1] for row in table.values())
    assert all(int(row[0]) > 0 for subject, row in table.items() if subject not in MAYBE_EMPTY)
    assert "\x1b" not in result.stdout
    assert (tmp_path / "demo.png").read_bytes().startswith(b"\x89PNG")
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.asyncio
async def test_a_missing_or_altered_event_in_jetstream_is_named_by_subject_event_and_check(tmp_path: Path) -> None:
    state = ("--duration", "6", "--state-dir", str(tmp_path / "state"))
    assert (await asyncio.to_thread(demo, tmp_path, *state)).returncode == 0
    async with NatsServer(tmp_path / "state" / "nats") as server:
        await delete(server.url, "QIKI_RADAR_V1", "qiki.radar.v1.tracks", 5)
        await blank(server.url, "QIKI_SIM_V1", "qiki.sim.v1.sensors", 7)
    # The same run again: messages already in JetStream are not published again.
    result = await asyncio.to_thread(demo, tmp_path, *state)
    assert "qiki: not all is well:" in result.stderr, result.stdout + result.stderr
    assert result.returncode == 1
    assert rows(result.stdout)["qiki.radar.v1.tracks"] == ["18", "17", "0", "DIFFERS"]
    assert "qiki.radar.v1.tracks: 1 of 18 events are missing" in result.stderr
    assert "1 of 18 frames have no set of tracks: 5." in result.stderr
    assert "qiki.radar.v1.tracks, event 6: sequence: follows event 4." in result.stderr
    assert "qiki.radar.v1.tracks, event 5: replay: the stored frames make 18, and this is not there." in result.stderr
    assert rows(result.stdout)["qiki.sim.v1.sensors"][-1] == "equal", "all are there, each once"
    assert "qiki.sim.v1.sensors, event 7: digest: the payload's 0 bytes have " in result.stderr
    assert "qiki.sim.v1.sensors, event 7: time: ce-time is " in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.asyncio
async def test_a_service_that_dies_loses_no_event_and_is_reported(tmp_path: Path) -> None:
    (tmp_path / "short.yaml").write_text(SCENARIO)
    arguments = ("demo", "--scenario", "short.yaml", "--speed", "10", "--state-dir", "state")
    process = await asyncio.create_subprocess_exec(
        *QIKI, *arguments, cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(TIMEOUT_S):
            assert process.stdout is not None
            while not (line := await process.stdout.readline()).startswith(b"All are SERVING"):
                assert line, "it ended before it ran"
            endpoints = json.loads((tmp_path / "state" / "endpoints.json").read_text())
            os.kill(endpoints["radar"]["pid"], signal.SIGKILL)
            output, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            await process.wait()
    assert process.returncode == 1
    assert "radar died and was started again." in errors.decode()
    assert all(row[-1] == "equal" for row in rows(output.decode()).values())
    assert "no set of tracks" not in errors.decode()


def test_an_unwritable_picture_path_is_refused_before_any_process_is_started(tmp_path: Path) -> None:
    for name, reason in (("no-folder/a.png", "cannot be written"), ("a.jpg", "should end in .png")):
        result = demo(tmp_path, "--picture", name)
        assert result.returncode == 2
        assert result.stderr.startswith(f"qiki: --picture {name}: ")
        assert reason in result.stderr
        assert result.stdout == ""


def test_a_duration_beyond_the_scenario_is_refused_before_any_process_is_started(tmp_path: Path) -> None:
    result = demo(tmp_path, "--duration", "61")
    assert result.returncode == 2
    assert "holds no more than 60 s" in result.stderr
    assert not (tmp_path / "demo.png").exists()


async def blank(url: str, stream: str, subject: str, number: int) -> None:
    """Store the subject's messages again, in their order, the one of this number without its payload."""
    client = await nats.connect(url)
    try:
        context = client.jetstream()
        count = ((await context.stream_info(stream, subjects_filter=subject)).state.subjects or {})[subject]
        subscription = await context.pull_subscribe(subject, stream=stream)
        messages = await subscription.fetch(count)
        assert len(messages) == count
        await context.purge_stream(stream, subject=subject)
        for place, message in enumerate(messages, start=1):
            headers = {name: text for name, text in (message.headers or {}).items() if not name.startswith("Nats-")}
            await context.publish(subject, b"" if place == number else message.data, headers=headers)
    finally:
        await client.close()


async def delete(url: str, stream: str, subject: str, number: int) -> None:
    """Delete the subject's message of this number, counted from 1."""
    client = await nats.connect(url)
    try:
        context = client.jetstream()
        subscription = await context.pull_subscribe(subject, stream=stream)
        messages = await subscription.fetch(number)
        assert await context.delete_msg(stream, messages[-1].metadata.sequence.stream)
    finally:
        await client.close()

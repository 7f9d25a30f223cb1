"""Pictures of `qiki trace`'s page and of `qiki top` for docs/: `make screenshots CHROMIUM=path`.

A mesh runs a minute of a scenario. `qiki top` is drawn in a terminal of 80 by 24 and its cells are painted; the page of
one trace is opened in a headless Chromium, which first tries every key of it. Exit status 1: something is not as the
documents say, and no picture is replaced.
"""

import asyncio
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, sync_playwright
from top_picture import capture, document
from trace_keys import check_page, check_without_script

from chain import START_TIME, read_subject
from cli.local_mesh.mesh import open_mesh
from cli.local_mesh.options import MeshOptions
from cli.local_mesh.ports import choose_ports
from top_terminal import QIKI

ROOT = Path(__file__).resolve().parents[2]
SCENARIO = ROOT / "svc_sim" / "scenarios" / "crossing.yaml"
SPEED = "4"
STATE_DIR = Path("state")
SUBJECT, STREAM = "qiki.radar.v1.tracks", "QIKI_RADAR_V1"
TRACE_LIMIT_S = 60.0
SCALE = 1.5
COLOURS = 128


def main(chromium: str, directory: str) -> int:
    """Make both pictures in the directory; return the exit status."""
    target = Path(directory).resolve()
    # There, so that the pictures show a relative path.
    with tempfile.TemporaryDirectory(prefix="qiki-screenshots-") as name, chdir(name):
        scratch = Path(name)
        try:
            make(chromium, scratch)
        except AssertionError as error:
            print(f"FAILED: {error}", file=sys.stderr)
            return 1
        target.mkdir(parents=True, exist_ok=True)
        for picture in sorted(scratch.glob("*.png")):
            (target / picture.name).write_bytes(picture.read_bytes())
            print(f"{picture.name}: {picture.stat().st_size:,} bytes")
    return 0


def make(chromium: str, scratch: Path) -> None:
    """Run the mesh, then check the page and paint both pictures."""
    lines, event_id = asyncio.run(run_mesh(STATE_DIR))
    top, trace = scratch / "top.html", scratch / "trace.html"
    top.write_text(document(lines), encoding="utf-8")
    subprocess.run(
        [*QIKI, "trace", event_id, "--html", str(trace), "--state-dir", str(STATE_DIR)],
        stdout=subprocess.DEVNULL,
        timeout=TRACE_LIMIT_S,
        check=True,
    )
    with browser(chromium) as opened:
        check_without_script(opened, trace.as_uri())
        page = opened.new_page(viewport={"width": 1120, "height": 600})
        check_page(page, trace.as_uri(), event_id)
        page.mouse.move(0, 0)  # off the buttons, which change their colour below it
        paint(page, scratch / "trace.png", full_page=True)
        picture = opened.new_page(device_scale_factor=SCALE)
        picture.goto(top.as_uri())
        paint(picture.locator("pre"), scratch / "top.png")


async def run_mesh(state_dir: Path) -> tuple[list[str], str]:
    """Return the lines on the screen of `qiki top`, and the id of an event with tracks."""
    options = MeshOptions(
        state_dir=state_dir, scenario=SCENARIO, speed=SPEED, flow_control="live", start_time=START_TIME, trace=True
    )
    async with open_mesh(options, choose_ports({}, free=True, trace=True), print) as mesh:
        lines = await asyncio.to_thread(capture, state_dir)
        tracks = await read_subject(mesh.ports["nats"], SUBJECT, STREAM)
    return lines, tracks[len(tracks) // 2].headers["ce-id"]  # each service has exported its last spans by now


@contextmanager
def browser(program: str) -> Iterator[Browser]:
    """Run a headless Chromium."""
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program)
        try:
            yield opened
        finally:
            opened.close()


def paint(shown: Any, path: Path, **options: Any) -> None:
    """Write a picture of a page or an element, with a palette of colours, which is a third of the bytes."""
    shown.screenshot(path=str(path), **options)
    with Image.open(path) as picture:
        small = picture.convert("RGB").quantize(COLOURS, method=Image.Quantize.MAXCOVERAGE)  # keeps the rare ones
    small.save(path, optimize=True)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

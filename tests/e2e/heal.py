"""Check that the mesh in containers heals by itself after a full disk: compose.yaml with small-disk.yaml.

JetStream's disk is filled until the bridge reports that it stores nothing, and freed; from then on nothing is touched.
Within HEAL_LIMIT_S every channel must have caught up, and JetStream must hold the whole run, once and in order.
Exit status 0: all of it is so. 1: it is not; the reasons and the services' logs are printed.
"""

import asyncio
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import disk
from bus import search
from containers import HOST_PORTS, Compose
from history import WholeFeed
from outcome import SmokeError, say
from scrape import facts, samples
from session import new_compose, require, run, start

LIMIT_S = 300.0
STORED_LIMIT_S = 60.0
NOTICED_LIMIT_S = 40.0
HEAL_LIMIT_S = 30.0
SEARCH_LIMIT_S = 60.0
FULL_S = 5.0  # at least two health checks of nats
POLL_S = 0.5
FRAMES_BEFORE = 10
NATS_PORT = 4222
# Each channel's subject, and the service that produces its events.
CHANNELS = {
    "world": ("qiki.sim.v1.world", "sim"),
    "sensors": ("qiki.sim.v1.sensors", "sim"),
    "frames": ("qiki.radar.v1.frames", "radar"),
    "tracks": ("qiki.radar.v1.tracks", "tracker"),
    "guard": ("qiki.events.v1.guard", "tracker"),
    "audit": ("qiki.events.v1.audit", "registrar"),
}
# Lossless: producers wait for the bridge before they drop an event that it has not stored.
SETTINGS = {**dict.fromkeys(HOST_PORTS, "0"), "QIKI_FLOW_CONTROL": "lossless"}


def main() -> int:
    """Run the check and return the exit status."""
    options = {"changes": ("tests/e2e/small-disk.yaml",), "environment": {**os.environ, **SETTINGS}}
    return run(new_compose("heal", LIMIT_S, **options), check)


def check(compose: Compose) -> None:
    """Fill the disk, free it, and check all that follows. Raises SmokeError."""
    start(compose)
    until(compose, STORED_LIMIT_S, f"{FRAMES_BEFORE} frames stored", lambda: stored(compose, "frames") >= FRAMES_BEFORE)
    began = started_at(compose)
    disk.fill(compose)
    say(f"the disk is full: {disk.free_kib(compose)} KiB are free")
    until(compose, NOTICED_LIMIT_S, "the bridge reports that frames are not stored", lambda: is_noticed(compose))
    before = stored(compose, "frames")
    time.sleep(FULL_S)
    if started_at(compose) != began:
        raise SmokeError("nats was started again while its disk was full")
    require(list(report_problems(compose, before)))
    disk.free(compose)
    say(f"the disk has {disk.free_kib(compose)} KiB again; from now on nothing is touched")
    took_s = until(compose, HEAL_LIMIT_S, "every channel caught up", lambda: is_caught_up(compose))
    say(f"every channel caught up {took_s:.0f} s after there was space again")
    if started_at(compose) == began:
        raise SmokeError("nats was not started again: a full disk has not stopped it")
    check_history(compose)


def is_noticed(compose: Compose) -> bool:
    """Return whether the bridge reports that frames wait and are not stored."""
    return facts(compose, "bridge")["channels"]["frames"]["storing"] is False


def report_problems(compose: Compose, before: int) -> Iterator[str]:
    """Yield each statement of the bridge that hides that nothing is stored."""
    frames, metrics = facts(compose, "bridge")["channels"]["frames"], samples(compose, "bridge")
    if not (frames["state"].startswith("not stored: ") and frames["store_error"] and frames["waiting"] > 0):
        yield f"bridge: the channel of frames does not report that it stores nothing: {frames}"
    if frames["sequence"] != before:
        yield f"bridge: frames were stored on a full disk, from {before} to {frames['sequence']}"
    for name, labels in (("qiki_bridge_channel_publishing", ("frames",)), ("qiki_service_serving", ())):
        if (value := metrics[name][labels]) != 0:
            yield f"bridge: {name} is {value} while nothing is stored"
    say(f"the bridge reports: {frames['state']}")


def is_caught_up(compose: Compose) -> bool:
    """Return whether the bridge serves, and every channel stores and has nothing that waits, its run over or not."""
    if samples(compose, "bridge")["qiki_service_serving"][()] != 1:
        return False
    channels = facts(compose, "bridge")["channels"]
    carried = (each for each in channels.values() if each["state"] == "carrying" or each["ended"])
    return sum(each["storing"] and each["waiting"] == 0 for each in carried) == len(CHANNELS)


def check_history(compose: Compose) -> None:
    """Read every subject to what is produced by now: contiguous from 1, no id twice. Raises SmokeError."""
    feeds = [WholeFeed(subject, produced(compose, name, source)) for name, (subject, source) in CHANNELS.items()]
    url = f"nats://{compose.address('nats', NATS_PORT)}"
    asyncio.run(search(url, list(feeds), compose.within(SEARCH_LIMIT_S)))
    require([problem for feed in feeds for problem in feed.problems()])
    counts = ", ".join(f"{feed.subject} {len(feed.messages)}" for feed in feeds)
    say(f"nothing is lost, and nothing is there twice: {counts}")


def produced(compose: Compose, channel: str, source: str) -> int:
    """Return the last sequence that the source of a channel has produced."""
    return int(samples(compose, source)["qiki_feed_events_total"][(channel,)])


def stored(compose: Compose, channel: str) -> int:
    """Return the last sequence of a channel that JetStream has acknowledged; 0 before the bridge answers."""
    found: dict[str, Any] = facts(compose, "bridge").get("channels", {})
    return int(found[channel]["sequence"]) if channel in found else 0


def started_at(compose: Compose) -> str:
    """Return the time at which the container of nats was started last."""
    return compose.inspect("nats", "{{.State.StartedAt}}")


def until(compose: Compose, limit_s: float, what: str, holds: Callable[[], bool]) -> float:
    """Ask again and again until it holds; return the seconds that it took. Raises SmokeError after the limit."""
    say(f"waiting for: {what}")
    began_s = time.monotonic()
    within_s = compose.within(limit_s)
    while not holds():
        if time.monotonic() - began_s > within_s:
            raise SmokeError(f"not within {within_s:.0f} s: {what}; the bridge: {facts(compose, 'bridge')}")
        time.sleep(POLL_S)
    return time.monotonic() - began_s


if __name__ == "__main__":
    sys.exit(main())

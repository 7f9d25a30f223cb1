"""The page: exactly as large as the terminal, nothing in it that a terminal could take as a command."""

import json
import math
import re
from dataclasses import replace

import pytest
from rich.cells import cell_len
from rich.text import Text

from cli.views.top.json_form import to_json
from cli.views.top.model.answer import SERVING, UNREACHABLE
from cli.views.top.model.audit import AuditTrail, with_events
from cli.views.top.model.mesh import new_mesh
from cli.views.top.model.radar import RadarPicture, with_frame, with_tracks
from cli.views.top.once import plain_lines
from cli.views.top.snapshot import Snapshot
from cli.views.top.ui import MAX_SCROLL, Ui, View, on_key
from cli.views.top.views.page import max_scroll, render_page
from cli.views.top.views.text import age, cell, clean, fit, number, size
from qiki.radar.v1.track_pb2 import FriendFoe
from qiki.registrar.v1.registrar_service_pb2 import AuditEvent, Severity
from top_samples import (
    NAMES,
    SIM_FACTS,
    START_S,
    after,
    answer,
    frame,
    metrics_text,
    running,
    snapshot,
    track,
    track_set,
)

SIZES = [(80, 24), (120, 40), (30, 6), (29, 5), (1, 1), (300, 8)]
NOW_S = START_S + 2
EVIL = "\x1b]0;owned\x07\x1b[2J\r\n\t\x00\x9b31m\u202eabc\u200b\u2028\ud800漢字é"


def audit_event(number: int, **fields: object) -> AuditEvent:
    made = AuditEvent(
        event_id=f"id-{number}", code=101, name="BOOT_OK", severity=Severity.SEVERITY_INFO, reporter="svc_sim"
    )
    made.message = "It has started."
    made.reported_time.seconds = 1_795_000_000 + number
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def healthy() -> Snapshot:
    picture = with_tracks(RadarPicture(tracks_state=""), track_set(track(1, 0, 8000, transponder_id="QK-1")), NOW_S)
    picture = with_frame(picture, frame("s", (5000.0, 90.0)), NOW_S)
    trail = with_events(AuditTrail(state=""), [audit_event(2), audit_event(1)])
    mesh = after(*running(START_S, 10), *running(START_S + 1, 12))
    return snapshot(mesh, NOW_S, radar=picture, audit=trail)


def empty() -> Snapshot:
    return snapshot(new_mesh(NAMES, START_S), NOW_S)


def dead() -> Snapshot:
    down = [answer(name, START_S + 60, status=UNREACHABLE, reason="no connection") for name in NAMES]
    return replace(healthy(), mesh=after(*running(START_S, 10), *down), now_s=START_S + 60)


def hostile() -> Snapshot:
    """Return a mesh whose every name and text is a trap, with numbers beyond all measure."""
    feeds = f'qiki_feed_events_total{{feed="{EVIL[:6]}"}} 1e300\nqiki_jetstream_dead_letters 1e300\n'.replace(
        "\x1b", "\\x1b"
    )
    mesh = after(
        answer("sim", START_S, feeds, status="#77\x1b[31m", reason=EVIL, facts={**SIM_FACTS, "phase": EVIL}),
        answer("radar", START_S, metrics_text(1e300, 1e300, {"\x1b[2Jframes": 1e300}), facts={"speed": "x"}),
        answer("bridge", START_S, "process_start_time_seconds -1e300\nprocess_cpu_seconds_total NaN\n", reason=EVIL),
        answer("archive", START_S, "process_resident_memory_bytes 1e12\n", status=SERVING, reason=EVIL * 1000),
    )
    odd = track(1, 5000, 0, iff=99, status=98, transponder_id="\x1b[31mQK", track_id="\x1b[2J\x07x")
    far = track(2, 3e38, 3e38, iff=FriendFoe.FRIEND_FOE_FOE, velocity=(math.inf, 0.0))
    picture = with_tracks(RadarPicture(tracks_state=EVIL, frames_state=EVIL), track_set(odd, far), -1e9)
    evil = EVIL.replace("\ud800", "")
    event = audit_event(1, message=evil, name=evil, reporter=evil, severity=42, code=4_000_000_000)
    event.reported_time.seconds = 2**62
    trail = replace(with_events(AuditTrail(), [event]), state=EVIL)
    return snapshot(mesh, NOW_S, radar=picture, audit=trail)


SNAPSHOTS = {"healthy": healthy, "empty": empty, "dead": dead, "hostile": hostile}


@pytest.mark.parametrize("view", View)
@pytest.mark.parametrize("kind", SNAPSHOTS)
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_every_view_of_every_mesh_fills_the_terminal_exactly(view: View, kind: str, width: int, height: int) -> None:
    shown = SNAPSHOTS[kind]()
    for ui in (Ui(view), Ui(view, help=True, paused=True), Ui(view, scroll=MAX_SCROLL, range_step=0)):
        lines = render_page(shown, ui, width, height)
        assert len(lines) == height
        assert [cell_len(line.plain) for line in lines] == [width] * height
        assert all(line.plain.isprintable() for line in lines)


@pytest.mark.parametrize("kind", SNAPSHOTS)
def test_the_plain_snapshot_and_its_json_can_be_printed_whatever_the_mesh_holds(kind: str) -> None:
    shown = SNAPSHOTS[kind]()
    lines = plain_lines(shown, 100)
    assert all(line.isprintable() and cell_len(line) <= 100 for line in lines)
    found = json.loads(json.dumps(to_json(shown), allow_nan=False))
    assert [service["name"] for service in found["services"]] == list(NAMES)
    if kind == "dead":
        radar = found["services"][2]
        assert (radar["status"], radar["stale"], radar["figures_age_s"]) == ("UNREACHABLE", True, 60.0)
        assert all(stream["stale"] for stream in found["streams"])
    if kind == "empty":
        assert found["radar"]["age_s"] is None
        assert found["services"][0]["cpu_percent"] is None


@pytest.mark.parametrize("view", View)
def test_control_characters_of_the_mesh_are_shown_as_escapes_in_full_view(view: View) -> None:
    text = page(hostile(), view, 200, 40)
    assert "\x1b" not in text
    assert "\\x1b[" in text or view is View.RADAR
    if view is View.AUDIT:
        assert "\\u202e" in text
        assert "#42" not in text, "a severity that is not known has no colour and no text of its own"


def page(shown: Snapshot, view: View, width: int = 80, height: int = 24, **more: int) -> str:
    return "\n".join(line.plain for line in render_page(shown, Ui(view, **more), width, height))  # type: ignore[arg-type]


def test_the_services_show_status_process_and_rates_at_80_columns() -> None:
    lines = page(healthy(), View.SERVICES).splitlines()
    assert lines[0].startswith("qiki top 7/7 SERVING  RUNNING 1x tick 359 run ac5be783  ")
    sim = next(line for line in lines if line.startswith("sim"))
    assert re.match(r"sim +SERVING +>2 s +4711 +1h 01m +10 +80 MB +4\.0", sim)


def test_a_dead_service_shows_its_reason_in_full_and_its_old_figures_with_their_age() -> None:
    text = page(dead(), View.SERVICES)
    assert "0/7 SERVING" in text
    assert "last known: RUNNING" in text
    assert re.search(r"radar +UNREACHABLE +0 s .* stale 1m 00s", text)
    assert "  no connection\n" in re.sub(" +\n", "\n", text)
    lines = render_page(dead(), Ui(View.SERVICES), 120, 40)
    radar = next(line for line in lines if line.plain.startswith("radar"))
    memory = radar.plain.index("80 MB")
    assert any(span.start <= memory < span.end and span.style == "dim" for span in radar.spans)


def test_the_streams_show_rates_sequences_lags_and_durables() -> None:
    text = page(healthy(), View.STREAMS)
    assert re.search(r"frames +radar +2\.0 +12 +1 s bridge 12", text)
    assert re.search(r"registrar_intake +QIKI_EVENTS_V1 +0 +- +- +-", text)
    stale = page(dead(), View.STREAMS)
    assert re.search(r"frames +radar .*stale, 1m 00s old; bridge 10", stale)
    assert re.search(r"registrar_intake .*stale, 1m 0", stale)


def test_the_alerts_show_what_is_wrong_since_when() -> None:
    assert "Nothing needs attention." in page(healthy(), View.ALERTS)
    assert "Nothing is known yet" in page(empty(), View.ALERTS)
    assert re.search(r"11:06:40 +0 s error +radar is UNREACHABLE: no connection", page(dead(), View.ALERTS))
    assert "3 alerts(7)" in page(dead(), View.SERVICES)


def test_a_gap_that_a_service_reported_is_an_alert_for_a_while() -> None:
    gap = audit_event(-60, code=631, name="GAP", reporter="svc_tracker", message="frames 1 to 9 are missing")
    shown = replace(healthy(), audit=with_events(AuditTrail(state=""), [gap]))
    assert re.search(r"11:05:40 +1m 00s error +gap reported by svc_tracker: frames 1 to 9", page(shown, View.ALERTS))
    assert shown.active_alerts == 1
    assert replace(shown, wall_s=shown.wall_s + 3600).active_alerts == 0


def test_the_radar_shows_plot_and_list_and_says_when_they_are_stale() -> None:
    text = page(healthy(), View.RADAR)
    assert "range 10 km (auto)" in text
    assert "tracks: 0 s old" in text
    assert re.search(r"● 0001 friend +8\.0 000 +100 QK-1", text)
    assert "STALE, 58 s old" in page(dead(), View.RADAR)
    lines = render_page(dead(), Ui(View.RADAR), 80, 24)
    styles = {span.style for line in lines for span in line.spans}
    assert "cyan dim" in styles
    assert "cyan bold" not in styles


def test_the_audit_trail_is_newest_first_each_event_once() -> None:
    trail = with_events(healthy().audit, [audit_event(3, code=631, name="GAP"), audit_event(2)])
    assert [line.event_id for line in trail.lines] == ["id-3", "id-2", "id-1"]
    text = page(replace(healthy(), audit=trail), View.AUDIT)
    assert re.search(r"11:06:43 +631 GAP +sim +It has started\.", text)
    with_values = audit_event(4)
    with_values.attributes.add(name="frames", value="60\x1b[m")
    text_of_values = page(replace(healthy(), audit=with_events(trail, [with_values])), View.AUDIT)
    assert "It has started. frames=60\\x1b[m" in text_of_values
    assert text.index("11:06:43") < text.index("11:06:42")
    assert "STALE, perhaps not the newest; gone" in page(
        replace(healthy(), audit=replace(trail, state="gone")), View.AUDIT
    )


def test_a_long_list_scrolls_to_its_end_and_no_further() -> None:
    events = [audit_event(n, message=f"message {n}.") for n in range(100, 0, -1)]
    shown = replace(healthy(), audit=with_events(AuditTrail(state=""), events))
    limit = max_scroll(shown, Ui(View.AUDIT), 80, 24)
    assert "message 100." in page(shown, View.AUDIT)
    end = page(shown, View.AUDIT, scroll=limit)
    assert "message 1." in end
    assert "message 2." in end
    assert end == page(shown, View.AUDIT, scroll=MAX_SCROLL)
    assert end != page(shown, View.AUDIT, scroll=limit - 1)


def test_keys_choose_views_scroll_zoom_pause_help_and_quit() -> None:
    ui = Ui()
    assert on_key(ui, "4", 5).view is View.RADAR
    assert on_key(ui, "tab", 5).view is View.STREAMS
    assert on_key(ui, "shift-tab", 5).view is View.AUDIT
    assert on_key(on_key(ui, "left", 5), "right", 5).view is View.SERVICES
    assert on_key(ui, "down", 5).scroll == 1
    assert on_key(ui, "up", 5).scroll == 0
    assert on_key(ui, "p", 5).paused
    assert on_key(on_key(ui, "?", 5), "escape", 5).help is False
    assert on_key(ui, "q", 5).quit
    assert on_key(ui, "+", 5) == ui, "only the radar zooms"
    radar = Ui(View.RADAR)
    assert on_key(radar, "+", 5).range_step == 4
    assert on_key(replace(radar, range_step=0), "+", 5).range_step == 0
    assert on_key(replace(radar, range_step=3), "0", 5).range_step is None
    assert on_key(ui, "x", 5) == ui


@pytest.mark.parametrize(
    ("value", "text"), [(None, "-"), (math.nan, "-"), (math.inf, "-"), (0, "0"), (9999, "9999"), (1e300, "1e+300")]
)
def test_numbers_are_short_and_the_unknown_is_a_dash(value: float | None, text: str) -> None:
    assert number(value) == text
    assert number(12_345.0) == "12.3k"
    assert len(size(value)) <= 8
    assert len(age(value)) <= 7


def test_ages_are_short() -> None:
    assert [age(s) for s in (0, 59.9, 61, 3661, 90_000)] == ["0 s", "59 s", "1m 01s", "1h 01m", "1d 1h"]


def test_the_last_step_before_the_terminal_lets_no_control_character_pass_whatever_a_view_gives() -> None:
    assert fit(Text("a\x1b[31mb\t\u202e"), 12).plain == "a?[31mb??   "
    assert fit(Text("\x1b" * 20), 3).plain == "??…"


def test_cells_have_their_width_whatever_is_in_them() -> None:
    for text in ("", "abc", "漢字漢字", "e\u0301", EVIL):
        assert cell_len(cell(text, 5)) == 5
    assert clean("a\x1b[31m") == "a\\x1b[31m"

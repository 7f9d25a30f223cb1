"""The radar picture and its plot."""

import math

import pytest

from cli.views.top.model.radar import RadarPicture, with_frame, with_tracks
from cli.views.top.ui import range_of, step_for
from cli.views.top.views.canvas import Canvas, line_dots
from cli.views.top.views.plot import automatic_step, plot
from qiki.radar.v1.track_pb2 import FriendFoe, RadarTrackStatus
from top_samples import frame, track, track_set

WIDTH, HEIGHT = 41, 21
CENTRE = (20, 10)


def drawn(picture: RadarPicture, range_m: float = 10_000.0) -> list[str]:
    return [line.plain for line in plot(picture, step_for(range_m), False, WIDTH, HEIGHT)]


def place(lines: list[str], text: str) -> tuple[int, int]:
    """Return column and row of a text."""
    return next((line.index(text), row) for row, line in enumerate(lines) if text in line)


def pictured(*tracks: object) -> RadarPicture:
    return with_tracks(RadarPicture(), track_set(*tracks), 5.0)  # type: ignore[arg-type]


def test_the_plot_is_north_up_with_the_own_ship_in_the_centre() -> None:
    lines = drawn(pictured(track(1, 0, 8000), track(2, 8000, 0, iff=FriendFoe.FRIEND_FOE_FOE)))
    assert place(lines, "▲") == CENTRE
    column, row = place(lines, "●")
    assert column == CENTRE[0]
    assert row < CENTRE[1] - 5
    column, row = place(lines, "◆")
    assert row == CENTRE[1]
    assert column > CENTRE[0] + 10
    assert "0001" in "".join(lines)
    assert "0002" in "".join(lines)


def test_the_plot_moves_with_the_own_ship() -> None:
    moved = track_set(track(1, 50_000, 58_000))
    moved.own_ship.position.x = moved.own_ship.position.y = 50_000
    column, row = place(drawn(with_tracks(RadarPicture(), moved, 5.0)), "●")
    assert column == CENTRE[0]
    assert row < CENTRE[1]


def test_a_confirmed_track_covers_a_new_one() -> None:
    new = track(2, 5000, 5000, status=RadarTrackStatus.RADAR_TRACK_STATUS_NEW)
    text = "".join(drawn(pictured(track(1, 5000, 5000), new)))
    assert "●" in text
    assert "+" not in text


def test_range_rings_carry_their_ranges() -> None:
    text = "".join(drawn(RadarPicture(), 40_000.0))
    for label in ("10 km", "20 km", "30 km", "40 km"):
        assert label in text
    assert drawn(RadarPicture())[0][CENTRE[0]] == "N"


def test_a_track_has_a_tick_in_its_direction_in_its_colour() -> None:
    canvas = plot(pictured(track(1, -5000, 0, velocity=(0.0, 300.0))), step_for(10_000), False, WIDTH, HEIGHT)
    column, row = place([line.plain for line in canvas], "●")
    above = canvas[row - 1]
    assert any(span.start <= column < span.end and span.style == "cyan bold" for span in above.spans)


def test_detections_are_drawn_dim_at_their_place() -> None:
    empty = drawn(RadarPicture())
    lines = plot(with_frame(RadarPicture(), frame("s", (7000.0, 80.0)), 5.0), step_for(10_000), False, WIDTH, HEIGHT)
    changed = [
        (column, row)
        for row, line in enumerate(lines)
        for column, character in enumerate(line.plain)
        if character != empty[row][column]
    ]
    assert len(changed) == 1
    column, row = changed[0]
    assert column > CENTRE[0]
    assert row < CENTRE[1]
    assert any(span.start == column and span.style == "white dim" for span in lines[row].spans)


def test_a_label_of_a_ring_hides_no_detection() -> None:
    column, row = place(drawn(RadarPicture()), "10 km")
    detection = (10_000.0, math.degrees(math.atan2(column - CENTRE[0], 20)))
    lines = drawn(with_frame(RadarPicture(), frame("s", detection), 0.0))
    assert place(lines, "10 km") != (column, row)


def test_each_sensors_newest_detections_are_kept_and_those_of_a_sensor_that_stopped_go() -> None:
    picture = with_frame(RadarPicture(), frame("a", (1000.0, 0.0)), 0.0)
    picture = with_frame(picture, frame("b", (2000.0, 0.0), (math.nan, 1.0)), 1.0)
    assert {name: len(kept.points_m) for name, kept in picture.detections.items()} == {"a": 1, "b": 1}
    assert set(with_frame(picture, frame("b"), 100.0).detections) == {"b"}


def test_an_absent_column_is_a_column_of_zeros() -> None:
    made = frame("a", (1000.0, 0.0))
    del made.detection_columns.bearing_deg[:]
    assert with_frame(RadarPicture(), made, 0.0).detections["a"].points_m == ((0.0, 1000.0),)


def test_a_set_of_several_parts_is_shown_once_all_have_come() -> None:
    picture = with_tracks(RadarPicture(), track_set(track(1, 0, 1000), frame=7, part=1, parts=2), 1.0)
    assert picture.tracks == ()
    assert picture.tracks_at_s is None
    picture = with_tracks(picture, track_set(track(2, 0, 2000), frame=7, part=2, parts=2), 2.0)
    assert [shown.short_id for shown in picture.tracks] == ["0001", "0002"]
    half = with_tracks(picture, track_set(track(3, 0, 1000), frame=8, part=2, parts=2), 3.0)
    whole = with_tracks(half, track_set(track(4, 0, 1000), frame=9), 4.0)
    assert [shown.short_id for shown in half.tracks] == ["0001", "0002"]
    assert [shown.short_id for shown in whole.tracks] == ["0004"], "a part of an earlier set is no part of this one"


def test_lost_tracks_go_and_tracks_without_a_finite_position_are_counted() -> None:
    lost = track(1, 0, 0, status=RadarTrackStatus.RADAR_TRACK_STATUS_LOST)
    picture = pictured(lost, track(2, math.nan, 0), track(3, math.inf, 0), track(4, 1000, 0, velocity=(math.nan, 0)))
    assert [shown.short_id for shown in picture.tracks] == ["0004"]
    assert picture.not_drawable == 2
    assert drawn(picture)


def test_unknown_enum_values_are_shown_as_numbers() -> None:
    picture = pictured(track(1, 1000, 0, iff=77, status=88))
    assert (picture.tracks[0].iff, picture.tracks[0].status) == ("#77", "#88")
    assert "?" in "".join(drawn(picture))


@pytest.mark.parametrize("east_m", [1e30, -1e30, 1e-30, 3e7])
def test_tracks_at_any_distance_draw(east_m: float) -> None:
    lines = drawn(pictured(track(1, east_m, 0.0, velocity=(3e38, -3e38))))
    assert [len(line) for line in lines] == [WIDTH] * HEIGHT


def test_the_automatic_range_covers_all_confirmed_tracks() -> None:
    new = track(3, 90_000, 0, status=RadarTrackStatus.RADAR_TRACK_STATUS_NEW)
    assert range_of(automatic_step(pictured(track(1, 15_000, 0), new))) == 16_000
    assert range_of(automatic_step(RadarPicture())) == 10_000
    assert range_of(automatic_step(with_frame(RadarPicture(), frame("a", (900.0, 0.0)), 0.0))) == 1000


@pytest.mark.parametrize(("width", "height"), [(1, 1), (2, 1), (200, 3), (3, 200)])
def test_a_plot_of_any_size_has_that_size(width: int, height: int) -> None:
    lines = plot(pictured(track(1, 10, 10)), 0, True, width, height)
    assert [len(line.plain) for line in lines] == [width] * height


def test_a_canvas_keeps_to_its_cells_and_sets_the_right_dots() -> None:
    canvas = Canvas(1, 1)
    for x, y in ((0, 0), (1, 3), (2, 0), (0, 4), (-1, 0)):
        canvas.dot(x, y, "")
    assert canvas.lines()[0].plain == chr(0x2800 + 0x01 + 0x80)
    assert not canvas.write(0, 0, "ab", "")
    assert not canvas.write(0, 0, "漢", ""), "two cells wide"
    assert canvas.write(0, 0, "a", "")
    assert not canvas.write(0, 0, "b", ""), "taken"


def test_a_line_is_bounded() -> None:
    assert list(line_dots((0, 0), (2, 1))) == [(0, 0), (1, 0), (2, 1)]
    assert len(list(line_dots((0, 0), (10**9, 0)))) < 10_000

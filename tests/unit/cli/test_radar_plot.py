"""The demo's picture shows all contacts and tracks with legible labels, and is omitted without a plotting library."""

import math
import sys
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from cli.demo.plot.label_layout import Box, place_labels
from cli.demo.plot.plot_data import PlotData, TrackTrail, extent_of, plot_data_of
from cli.demo.plot.radar_plot import MatplotlibMissingError, PictureError, draw
from cli.demo.record import Coverage, RecordedScan, RunRecord, TrackPart, Truth

PNG = b"\x89PNG\r\n\x1a\n"


def record() -> RunRecord:
    """Two radars; a contact that is absent at the third scan; a track that is lost, and a new one that is live."""
    scans, parts, truth = [], [], {}
    for number in range(1, 5):
        sensor_m = np.array([10.0 * number, 0.0, 0.0])
        coverage = Coverage(sensor_m, 100.0, 50_000.0, -30.0, 60.0)
        near = Coverage(sensor_m, 10.0, 5_000.0, -30.0, 60.0)
        scans += [
            RecordedScan(2 * number - 1, f"n{number}", "near", number, 0, near, np.full((1, 3), 70.0)),
            RecordedScan(2 * number, f"f{number}", "far", number, 0, coverage, np.full((2, 3), 140.0)),
        ]
        names = () if number == 3 else ("contact",)
        truth[number] = Truth(names, np.full((len(names), 3), 1_040.0))
        tracks = ("aaaa-1",) if number < 3 else ("bbbb-2",)
        parts.append(TrackPart(2 * number, "", 1, 1, 0, tracks, ("ID",), np.array([True]), np.full((1, 3), 2_040.0)))
    return RunRecord({}, {}, truth, tuple(scans), tuple(parts), {}, 0, 0, 0, 0)


def empty_plot() -> PlotData:
    nothing = np.empty((0, 2))
    return PlotData(100.0, 20.0, np.zeros((1, 2)), (), nothing, nothing, ())


# --- the drawing ------------------------------------------------------------------------------------------------------


def test_positions_are_relative_to_the_sensors_final_position() -> None:
    data = plot_data_of(record())
    assert data is not None
    assert data.own_m[-1].tolist() == [0.0, 0.0]
    assert data.own_m[0].tolist() == [-30.0, 0.0]
    assert data.far_m.tolist() == [[100.0, 140.0]] * 8
    assert data.near_m.tolist() == [[30.0, 70.0]] * 4


def test_the_path_of_a_contact_has_a_gap_while_it_was_absent() -> None:
    data = plot_data_of(record())
    assert data is not None
    (way_m,) = data.truth_m
    assert np.isnan(way_m[:, 0]).tolist() == [False, False, True, False]


def test_a_track_is_labelled_with_identity_and_id_and_marked_live_or_lost() -> None:
    data = plot_data_of(record())
    assert data is not None
    assert [(track.label, track.live) for track in data.tracks] == [("ID aaaa", False), ("ID bbbb", True)]


def test_a_run_without_scans_has_no_drawing() -> None:
    assert plot_data_of(RunRecord({}, {}, {}, (), (), {}, 0, 0, 0, 0)) is None


@pytest.mark.parametrize(
    ("reach_m", "extent_m", "ring_m"),
    [(100_000.0, 100_000.0, 20_000.0), (65_000.0, 80_000.0, 20_000.0), (7.0, 10.0, 10.0), (0.0, 10.0, 10.0)],
)
def test_the_range_rings_are_few_at_round_distances_and_enclose_everything(
    reach_m: float, extent_m: float, ring_m: float
) -> None:
    assert extent_of(reach_m) == (extent_m, ring_m)


# --- labels -----------------------------------------------------------------------------------------------------------


def test_labels_of_a_crowd_cover_neither_each_other_nor_a_marker() -> None:
    points = [(10.0 * math.cos(angle), 10.0 * math.sin(angle)) for angle in np.linspace(0.0, 6.0, 12)]
    markers = [Box(x, y, 2.0, 2.0) for x, y in points]
    boxes = place_labels(points, [(12.0, 3.0)] * len(points), markers, np.empty((0, 2)), 100.0)
    assert all(one.overlap(other) == 0.0 for one, other in combinations(boxes, 2))
    assert all(box.overlap(marker) == 0.0 for box in boxes for marker in markers)


def test_a_label_keeps_off_the_lines_and_inside_the_rim_where_it_can() -> None:
    line = np.column_stack([np.linspace(0.0, 50.0, 200), np.zeros(200)])
    (box,) = place_labels([(0.0, 0.0)], [(10.0, 3.0)], [], line, 100.0)
    assert box.count(line) == 0
    (box,) = place_labels([(95.0, 0.0)], [(10.0, 3.0)], [], np.empty((0, 2)), 100.0)
    assert box.x + box.width / 2 < 100.0


def test_without_free_space_a_label_is_still_placed() -> None:
    wall = Box(0.0, 0.0, 1e6, 1e6)
    assert len(place_labels([(0.0, 0.0)] * 3, [(10.0, 3.0)] * 3, [wall], np.empty((0, 2)), 1.0)) == 3


# --- the file ---------------------------------------------------------------------------------------------------------


def test_the_picture_is_a_png(tmp_path: Path) -> None:
    data = plot_data_of(record())
    assert data is not None
    draw(data, "title", "facts", tmp_path / "a.png")
    draw(empty_plot(), "nothing was seen", "", tmp_path / "b.png")
    for name in ("a.png", "b.png"):
        assert (tmp_path / name).read_bytes().startswith(PNG)


def test_text_that_looks_like_a_formula_is_drawn_as_it_is(tmp_path: Path) -> None:
    track = TrackTrail(np.zeros((1, 2)), r"$\frac{$ ^_", live=True)
    plot = empty_plot()
    draw(
        PlotData(plot.extent_m, plot.ring_m, plot.own_m, (), plot.far_m, plot.near_m, (track,)),
        "$x$ of $",
        "",
        tmp_path / "a.png",
    )
    assert (tmp_path / "a.png").read_bytes().startswith(PNG)


def test_without_matplotlib_the_error_names_the_package_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MatplotlibMissingError, match="pip install matplotlib"):
        draw(empty_plot(), "", "", tmp_path / "a.png")


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match=r"could not be written to .*no-folder"):
        draw(empty_plot(), "", "", tmp_path / "no-folder" / "a.png")

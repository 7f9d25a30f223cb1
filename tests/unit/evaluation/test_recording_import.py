import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evaluation.recordings import importer as module
from evaluation.recordings.errors import NothingUsableError, RecordingError
from evaluation.recordings.importer import Recording, import_recording
from evaluation.recordings.reading.cleaning import Rules
from evaluation.recordings.report import MAX_EXAMPLES, Example, Reason
from evaluation.recordings.statistics import check, read_statistics
from evaluation.recordings.trajectory_file import trajectory_text, write_trajectories
from svc_sim.domain.contacts.trajectory import parse_trajectory
from svc_sim.domain.scenario.loader import load_scenario

FIXTURES = Path(__file__).parents[2] / "fixtures" / "recording"
ORIGIN = (49.0, 2.5, 0.0)
START_S = 1_700_000_000
RULES = Rules(origin=ORIGIN)
KNOT_MPS, FOOT_M = 1852.0 / 3600.0, 0.3048
A_M, F = 6378137.0, 1.0 / 298.257223563

Row = dict[str, Any]
Vector = tuple[float, float, float]


def axes(latitude_deg: float, longitude_deg: float) -> npt.NDArray[np.float64]:
    """Return the rows east, north and up in the frame that turns with the Earth."""
    lat, lon = math.radians(latitude_deg), math.radians(longitude_deg)
    up = np.array([math.cos(lat) * math.cos(lon), math.cos(lat) * math.sin(lon), math.sin(lat)])
    east = np.array([-math.sin(lon), math.cos(lon), 0.0])
    return np.array([east, np.cross(up, east), up])


def geodetic(enu_m: Vector) -> Vector:
    """Return latitude and longitude in degrees and height in metres of a point about `ORIGIN`, by iteration."""
    e2 = F * (2.0 - F)
    lat0 = math.radians(ORIGIN[0])
    n0_m = A_M / math.sqrt(1.0 - e2 * math.sin(lat0) ** 2)
    up = axes(*ORIGIN[:2])[2]
    x, y, z = up * np.array([n0_m, n0_m, n0_m * (1.0 - e2)]) + np.array(enu_m) @ axes(*ORIGIN[:2])
    lat = math.atan2(z, math.hypot(x, y))
    for _ in range(20):
        n_m = A_M / math.sqrt(1.0 - e2 * math.sin(lat) ** 2)
        lat = math.atan2(z + e2 * n_m * math.sin(lat), math.hypot(x, y))
    height_m = math.hypot(x, y) * math.cos(lat) + z * math.sin(lat) - A_M * math.sqrt(1.0 - e2 * math.sin(lat) ** 2)
    return math.degrees(lat), math.degrees(math.atan2(y, x)), height_m


def flight(
    icao24: str = "4b1a01", start_m: Vector = (-20e3, 5e3, 3e3), v: Vector = (180.0, 60.0, 4.0), seconds: int = 100
) -> list[Row]:
    """Return the state vectors of a straight flight in ENU, one a second, with the fields an aircraft would report."""
    rows = []
    for t_s in range(seconds):
        point = tuple(p + u * t_s for p, u in zip(start_m, v, strict=True))
        latitude, longitude, height_m = geodetic((point[0], point[1], point[2]))
        east, north, up = axes(latitude, longitude) @ (np.array(v) @ axes(*ORIGIN[:2]))
        rows.append(
            {
                "timestamp": START_S + t_s,
                "icao24": icao24,
                "callsign": "QK1  ",
                "latitude": latitude,
                "longitude": longitude,
                "altitude": height_m / FOOT_M,
                "groundspeed": math.hypot(east, north) / KNOT_MPS,
                "track": math.degrees(math.atan2(east, north)) % 360.0,
                "vertical_rate": up / FOOT_M * 60.0,
                "squawk": 664,
                "onground": False,
            }
        )
    return rows


def run(tmp_path: Path, rows: Iterable[object], rules: Rules = RULES, columns: tuple[str, ...] = ()) -> Recording:
    path = tmp_path / "in.json"
    path.write_text(json.dumps(list(rows)))
    recording = import_recording(path, rules, columns, lambda _what, _done, _total: None)
    report = recording.report
    assert report.rows_in == report.rows_used + sum(rejection.count for rejection in report.rejections.values())
    return recording


def counts(recording: Recording) -> dict[Reason, int]:
    return {reason: rejection.count for reason, rejection in recording.report.rejections.items()}


# --- the imported trajectories ----------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.tuples(st.floats(-2e5, 2e5), st.floats(-2e5, 2e5), st.floats(1e3, 12e3)),
    st.tuples(st.floats(-250, 250), st.floats(-250, 250), st.floats(-15, 15)),
)
def test_a_clean_straight_flight_comes_back_as_it_was(tmp_path: Path, start_m: Vector, v: Vector) -> None:
    (piece,) = run(tmp_path, flight(start_m=start_m, v=v, seconds=70)).pieces
    t_s = np.arange(70.0)[:, None]
    np.testing.assert_allclose(piece.states[:, :3], np.array(start_m) + np.array(v) * t_s, atol=0.05)
    np.testing.assert_allclose(piece.states[:, 3:], np.broadcast_to(v, (70, 3)), atol=0.01)


def test_noise_and_frozen_positions_leave_an_error_below_the_sigma_of_one_position(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    rows = flight(seconds=300)
    for k, row in enumerate(rows):
        row["latitude"] += rng.normal(0.0, 40.0) / 111e3
        row["longitude"] += rng.normal(0.0, 40.0) / 73e3
        row["groundspeed"] += rng.normal(0.0, 2.0)
        if k and rng.random() < 0.3:
            row |= {name: rows[k - 1][name] for name in ("latitude", "longitude")}
    recording = run(tmp_path, rows)
    truth_m = np.array([-20e3, 5e3]) + np.array([180.0, 60.0]) * np.arange(300.0)[:, None]
    error_m = np.linalg.norm(recording.pieces[0].states[:, :2] - truth_m, axis=1)
    assert float(np.sqrt(np.mean(error_m**2))) < 30.0
    assert 60 < recording.report.frozen < 120


def test_a_frozen_position_is_ignored(tmp_path: Path) -> None:
    rows = flight(seconds=120)
    for row in rows[41:60]:
        row |= {name: rows[40][name] for name in ("latitude", "longitude")}
    recording = run(tmp_path, rows)
    assert recording.report.frozen == 19
    east_m = recording.pieces[0].states[:, 0]
    np.testing.assert_allclose(east_m, -20e3 + 180.0 * np.arange(120.0), atol=1.0)


def test_a_jump_of_the_position_is_rejected_by_the_gate(tmp_path: Path) -> None:
    rows = flight()
    rows[50]["longitude"] += 0.1
    recording = run(tmp_path, rows)
    assert recording.report.gated == 1
    np.testing.assert_allclose(recording.pieces[0].states[:, 0], -20e3 + 180.0 * np.arange(100.0), atol=0.05)


def test_rows_between_whole_seconds_are_assigned_to_the_second_before(tmp_path: Path) -> None:
    rows = flight()
    shifted = [row | {"timestamp": row["timestamp"] - 1.0 + 0.75} for row in rows]
    recording = run(tmp_path, shifted)
    truth_m = -20e3 + 180.0 * (np.arange(100.0) - 0.75)
    np.testing.assert_allclose(recording.pieces[0].states[:, 0], truth_m, atol=0.05)


def test_a_missing_climb_rate_is_computed_from_the_altitudes(tmp_path: Path) -> None:
    rows = [{key: value for key, value in row.items() if key != "vertical_rate"} for row in flight(seconds=200)]
    (piece,) = run(tmp_path, rows).pieces
    np.testing.assert_allclose(piece.states[:, 5], 4.0, atol=0.05)


def test_the_simulator_reads_exactly_the_written_trajectories(tmp_path: Path) -> None:
    recording = run(tmp_path, [*flight("b"), *flight("a", start_m=(0.0, 0.0, 500.0), seconds=80)])
    out = tmp_path / "made" / "traffic.csv.gz"
    write_trajectories(out, recording.pieces)
    first = out.read_bytes()
    write_trajectories(out, recording.pieces)
    assert out.read_bytes() == first
    assert list(out.parent.iterdir()) == [out]
    trajectory = load_scenario(out).trajectory
    assert trajectory is not None
    assert [(own.icao24, own.callsign) for own in trajectory.aircraft] == [("a", "QK1"), ("b", "QK1")]
    assert trajectory.end_s == 99.0
    assert trajectory_text(recording.pieces).splitlines()[1].startswith("0,a,QK1,0664,0.00,0.00,500.00,180.0")


def test_an_unwritable_output_path_is_named(tmp_path: Path) -> None:
    recording = run(tmp_path, flight())
    (tmp_path / "file").touch()
    with pytest.raises(RecordingError, match=r"file/out\.csv: cannot be written"):
        write_trajectories(tmp_path / "file" / "out.csv", recording.pieces)


def test_texts_with_commas_and_quotes_are_read_back(tmp_path: Path) -> None:
    recording = run(tmp_path, [row | {"callsign": 'A, "B"'} for row in flight()])
    read = parse_trajectory(trajectory_text(recording.pieces), Path("x.csv"))
    assert read.aircraft[0].callsign == 'A, "B"'


# --- the rows kept ----------------------------------------------------------------------------------------------------


def test_gaps_up_to_15_s_are_bridged_and_longer_ones_split(tmp_path: Path) -> None:
    rows = flight(seconds=300)
    bridged = run(tmp_path, [*rows[:100], *rows[114:]])
    assert [(piece.start_s, len(piece.states)) for piece in bridged.pieces] == [(0, 300)]
    assert bridged.report.bridged_s == 14
    split = run(tmp_path, [*rows[:100], *rows[115:]])
    assert [(piece.start_s, len(piece.states)) for piece in split.pieces] == [(0, 100), (115, 185)]


def test_pieces_under_a_minute_are_left_out(tmp_path: Path) -> None:
    recording = run(tmp_path, [*flight("a", seconds=60), *flight("b", seconds=59)])
    assert {piece.icao24 for piece in recording.pieces} == {"a"}
    assert counts(recording) == {Reason.SHORT_PIECE: 59}


def test_of_two_rows_of_one_aircraft_in_a_second_the_first_counts(tmp_path: Path) -> None:
    rows = flight()
    late = [row | {"timestamp": row["timestamp"] + 0.5, "altitude": 0} for row in rows]
    recording = run(tmp_path, [*late, *rows])
    assert counts(recording) == {Reason.DUPLICATE: 100}
    np.testing.assert_allclose(recording.pieces[0].states[:, 2], 3e3 + 4.0 * np.arange(100.0), atol=0.05)


def test_rows_on_the_ground_are_left_out(tmp_path: Path) -> None:
    rows = flight(seconds=120)
    for row, value in zip(rows[:20], [True, 1, "true", "True"] * 5, strict=True):
        row["onground"] = value
    recording = run(tmp_path, rows)
    assert counts(recording) == {Reason.ON_GROUND: 20}
    assert recording.report.rows_out == 100


def test_values_missing_for_up_to_30_s_are_filled_and_for_longer_left_out(tmp_path: Path) -> None:
    rows = flight(v=(180.0, 60.0, 0.0), seconds=200)
    for row in rows[50:90]:
        row["altitude"] = None
    for row in rows[100:130]:
        row |= {"groundspeed": None, "track": "", "vertical_rate": None}
    recording = run(tmp_path, rows)
    assert counts(recording) == {Reason.UNKNOWN: 10}
    (rejection,) = recording.report.rejections.values()
    assert rejection.examples == tuple(Example(number, "altitude", "") for number in (81, 82, 83))


def test_a_row_at_rest_needs_no_course(tmp_path: Path) -> None:
    rows = [row | {"groundspeed": 0, "track": None} for row in flight(v=(0.0, 0.0, 0.0))]
    np.testing.assert_allclose(run(tmp_path, rows).pieces[0].states[:, 3:5], 0.0, atol=1e-6)


def test_the_window_is_where_most_rows_are_unless_configured(tmp_path: Path) -> None:
    rows = [
        *flight("a", seconds=400),
        *[row | {"timestamp": row["timestamp"] + 200} for row in flight("b", seconds=150)],
    ]
    chosen = run(tmp_path, rows, Rules(duration_s=150.0, origin=ORIGIN)).report
    assert (chosen.start_s, chosen.rows_out, chosen.duration_s) == (START_S + 200, 300, 149.0)
    configured = run(tmp_path, rows, Rules(start_s=START_S + 50.0, duration_s=100.0, origin=ORIGIN)).report
    assert (configured.start_s, configured.aircraft, configured.rows_out) == (START_S + 50, 1, 100)
    assert configured.rejections[Reason.OUTSIDE_WINDOW].count == 450


def test_the_default_origin_is_the_centre_rounded_to_a_tenth_of_a_degree(tmp_path: Path) -> None:
    rows = flight()
    assert run(tmp_path, rows, Rules()).report.origin_deg_m == (49.1, 2.3, 0.0)
    for number, row in enumerate(rows):
        row["longitude"] = (179.9 + number * 2e-3 + 180.0) % 360.0 - 180.0
    assert abs(run(tmp_path, rows, Rules()).report.origin_deg_m[1]) == 180.0


@pytest.mark.parametrize(
    ("kind", "factor"), [("s", 1), ("ms", 1000), ("us", 10**6), ("ns", 10**9), ("iso", 0), ("iso without zone", 0)]
)
def test_times_may_be_numbers_in_four_units_or_iso_8601(tmp_path: Path, kind: str, factor: int) -> None:
    def encoded(time_s: int) -> object:
        if factor:
            return time_s * factor
        text = np.datetime_as_string(np.datetime64(time_s, "s"))
        return f"{text}Z" if kind == "iso" else str(text).replace("T", " ")

    rows = [row | {"timestamp": encoded(row["timestamp"])} for row in flight()]
    assert run(tmp_path, rows).report.start_s == START_S


def test_ships_stay_at_sea_level_and_their_unknown_values_are_missing(tmp_path: Path) -> None:
    header = "MMSI,BaseDateTime,LAT,LON,SOG,COG,Heading,VesselName"
    lines: list[str] = []
    for row in flight(start_m=(0.0, 0.0, 0.0), v=(6.0, 8.0, 0.0), seconds=300)[::10]:
        known = len(lines) % 3 != 2
        time = np.datetime_as_string(np.datetime64(row["timestamp"], "s"))
        speed, course = (row["groundspeed"], row["track"]) if known else (102.3, 360.0)
        lines.append(f"227000001,{time},{row['latitude']},{row['longitude']},{speed},{course},511,QIKI")
    path = tmp_path / "ships.csv"
    path.write_text("\n".join([header, *lines]))
    recording = import_recording(path, Rules(origin=ORIGIN), (), lambda *_: None)
    (piece,) = recording.pieces
    assert (piece.icao24, piece.callsigns[0], len(piece.states)) == ("227000001", "QIKI", 291)
    assert recording.report.ignored_columns == ("Heading",)
    truth_m = np.array([6.0, 8.0]) * np.arange(291.0)[:, None]
    np.testing.assert_allclose(piece.states[:, :2], truth_m, atol=0.5)
    np.testing.assert_allclose(piece.states[:, 2], 0.0, atol=1.5)


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("timestamp", None, Reason.EMPTY),
        ("timestamp", "yesterday", Reason.NOT_A_TIME),
        ("timestamp", float("nan"), Reason.NOT_FINITE),
        ("timestamp", -1, Reason.OUT_OF_RANGE),
        ("timestamp", 1e300, Reason.OUT_OF_RANGE),
        ("timestamp", True, Reason.NOT_A_TIME),
        ("icao24", "", Reason.EMPTY),
        ("icao24", None, Reason.EMPTY),
        ("icao24", "ä", Reason.NOT_TEXT),
        ("icao24", "x" * 100_000, Reason.NOT_TEXT),
        ("icao24", "a\nb", Reason.NOT_TEXT),
        ("callsign", "\ufffd", Reason.NOT_TEXT),
        ("latitude", None, Reason.EMPTY),
        ("latitude", " ", Reason.EMPTY),
        ("latitude", "north", Reason.NOT_A_NUMBER),
        ("latitude", [49.0], Reason.NOT_A_NUMBER),
        ("latitude", "4_9", Reason.NOT_A_NUMBER),
        ("latitude", float("nan"), Reason.NOT_FINITE),
        ("latitude", "nan", Reason.NOT_FINITE),
        ("latitude", float("inf"), Reason.NOT_FINITE),
        ("latitude", 90.001, Reason.OUT_OF_RANGE),
        ("longitude", -180.001, Reason.OUT_OF_RANGE),
        ("longitude", 10**400, Reason.NOT_FINITE),
        ("altitude", float("-inf"), Reason.NOT_FINITE),
        ("altitude", 1e9, Reason.OUT_OF_RANGE),
        ("groundspeed", -1, Reason.OUT_OF_RANGE),
        ("groundspeed", 1e5, Reason.OUT_OF_RANGE),
        ("track", 361, Reason.OUT_OF_RANGE),
        ("vertical_rate", 1e6, Reason.OUT_OF_RANGE),
        ("onground", "perhaps", Reason.NOT_TRUE_OR_FALSE),
    ],
)
def test_a_bad_value_costs_its_row_only_and_is_named(tmp_path: Path, field: str, value: object, reason: Reason) -> None:
    rows = flight()
    rows[40][field] = value
    recording = run(tmp_path, rows)
    assert counts(recording) == {reason: 1}
    assert reason.is_fault
    assert recording.report.refused == 1
    (example,) = recording.report.rejections[reason].examples
    assert (example.number, example.column) == (41, field)
    assert len(example.value) < 200
    assert example.value.isascii()
    clean = run(tmp_path, flight())
    np.testing.assert_allclose(recording.pieces[0].states, clean.pieces[0].states, atol=0.01)


def test_only_the_first_few_of_each_reason_are_named_but_all_are_counted(tmp_path: Path) -> None:
    rows = [*flight(), *[row | {"latitude": 91} for row in flight()], *[row | {"track": "x"} for row in flight()], 7]
    recording = run(tmp_path, rows)
    assert counts(recording) == {Reason.NOT_A_ROW: 1, Reason.NOT_A_NUMBER: 100, Reason.OUT_OF_RANGE: 100}
    examples = recording.report.rejections[Reason.OUT_OF_RANGE].examples
    assert examples == tuple(Example(number, "latitude", "91") for number in range(101, 101 + MAX_EXAMPLES))


def test_unknown_columns_are_reported(tmp_path: Path) -> None:
    rows = [row | {"alert": False, "spi": 1} for row in flight()]
    assert run(tmp_path, rows).report.ignored_columns == ("alert", "spi")


@pytest.mark.parametrize("rows", [[], flight(seconds=10), [row | {"latitude": None} for row in flight()]])
def test_an_import_without_usable_rows_reports_the_reasons(tmp_path: Path, rows: list[Row]) -> None:
    path = tmp_path / "in.csv"
    names = list(flight()[0])
    lines = [",".join("" if row[name] is None else str(row[name]) for name in names) for row in rows]
    path.write_text("\n".join([",".join(names), *lines]) + "\n")
    with pytest.raises(NothingUsableError) as caught:
        import_recording(path, RULES, (), lambda *_: None)
    report = caught.value.report
    assert report.rows_in == len(rows) == sum(rejection.count for rejection in report.rejections.values())
    assert report.rows_used == report.rows_out == 0


def test_more_rows_than_a_simulation_reads_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ROWS", 99)
    with pytest.raises(RecordingError, match="100 rows would come out, more than 99"):
        run(tmp_path, flight())
    monkeypatch.undo()
    monkeypatch.setattr(module, "MAX_AIRCRAFT", 1)
    with pytest.raises(RecordingError, match="2 aircraft would come out, more than 1"):
        run(tmp_path, [*flight("a"), *flight("b")])


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"start_s": float("nan")}, "start_s"),
        ({"start_s": -1.0}, "start_s"),
        ({"duration_s": 0.0}, "duration_s"),
        ({"duration_s": float("inf")}, "duration_s"),
        ({"max_gap_s": 0.5}, "max_gap_s"),
        ({"min_piece_s": float("nan")}, "min_piece_s"),
        ({"max_fill_s": -1.0}, "max_fill_s"),
        ({"origin": (91.0, 0.0, 0.0)}, "origin latitude"),
        ({"origin": (0.0, float("nan"), 0.0)}, "origin longitude"),
        ({"origin": (0.0, 0.0, 1e9)}, "origin height"),
    ],
)
def test_a_rule_out_of_range_is_refused_by_name(values: dict[str, Any], field: str) -> None:
    with pytest.raises(RecordingError, match=f"^{field}: should be from "):
        Rules(**values)


# --- comparison with the committed files ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["dirty.csv", "dirty.json.gz"])
def test_the_dirty_example_imports_to_the_committed_recording(name: str) -> None:
    recording = import_recording(FIXTURES / name, RULES, (), lambda *_: None)
    expected = read_statistics(FIXTURES / "dirty_statistics.json")
    check(parse_trajectory(trajectory_text(recording.pieces), Path("dirty")), expected, "dirty")
    assert counts(recording) == {
        Reason.NOT_A_NUMBER: 1,
        Reason.NOT_FINITE: 1,
        Reason.OUT_OF_RANGE: 2,
        Reason.ON_GROUND: 10,
        Reason.UNKNOWN: 5,
        Reason.DUPLICATE: 2,
        Reason.SHORT_PIECE: 40,
    }

import gzip
import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from botspec.yaml_source import SpecError
from svc_sim.domain.contacts import trajectory as module
from svc_sim.domain.contacts.trajectory import COLUMNS, MAX_PROBLEMS, Trajectory, parse_trajectory
from svc_sim.domain.scenario.loader import load_scenario

EXAMPLE = Path(__file__).parents[3] / "examples" / "scenarios" / "two_aircraft.csv"
PATH = Path("traffic.csv")
HEADER = ",".join(COLUMNS)


def parse(*rows: str) -> Trajectory:
    return parse_trajectory("\n".join([HEADER, *rows]) + "\n", PATH)


def refusals(text: str) -> list[str]:
    with pytest.raises(SpecError) as caught:
        parse_trajectory(text, PATH)
    return str(caught.value).splitlines()


def row(t: float | str, icao24: str = "abc123", callsign: str = "QK1", **values: object) -> str:
    fields = {"squawk": "1000", "east_m": 0, "north_m": 0, "up_m": 0, "ve": 0, "vn": 0, "vu": 0} | values
    return ",".join(str(value) for value in (t, icao24, callsign, *fields.values()))


def test_rows_of_aircraft_may_be_mixed_and_aircraft_are_ordered_by_their_first_row() -> None:
    read = parse(row(0, "b"), row(0, "a"), row(1, "b"), row(2, "a"))
    assert [(aircraft.icao24, len(aircraft.segments)) for aircraft in read.aircraft] == [("b", 1), ("a", 1)]
    assert read.end_s == 2.0


def test_at_the_time_of_a_row_the_state_is_that_of_the_row() -> None:
    read = parse(row(0, east_m=0.1, ve=7.3), row(1, east_m=9.7, north_m=-3, vu=0.3), row(2, east_m=20))
    assert read.aircraft[0].point_at(1.0) == ((9.7, -3.0, 0.0), (0.0, 0.0, 0.3))
    assert read.aircraft[0].point_at(2.0) == ((20.0, 0.0, 0.0), (0.0, 0.0, 0.0))


@given(st.lists(st.floats(-100, 100), min_size=4, max_size=4), st.floats(0, 10))
def test_between_rows_a_cubic_is_reproduced_with_its_derivative(c: list[float], t_s: float) -> None:
    def p(t: float) -> float:
        return c[0] + c[1] * t + c[2] * t**2 / 10 + c[3] * t**3 / 100

    def v(t: float) -> float:
        return c[1] + 2 * c[2] * t / 10 + 3 * c[3] * t**2 / 100

    read = parse(*[row(t, east_m=p(t), ve=v(t), north_m=-p(t), vn=-v(t), up_m=1) for t in (0, 4, 10)])
    point = read.aircraft[0].point_at(t_s)
    assert point is not None
    assert point[0] == pytest.approx((p(t_s), -p(t_s), 1.0), abs=1e-9)
    assert point[1] == pytest.approx((v(t_s), -v(t_s), 0.0), abs=1e-9)


def test_an_aircraft_is_present_from_its_first_row_to_its_last_inclusive() -> None:
    aircraft = parse(row(5), row(6)).aircraft[0]
    present = [t_s for t_s in (0.0, 4.999, 5.0, 5.5, 6.0, 6.001) if aircraft.point_at(t_s)]
    assert present == [5.0, 5.5, 6.0]


def test_a_gap_of_15_s_is_bridged_and_a_longer_one_splits_presence() -> None:
    bridged = parse(row(0), row(15)).aircraft[0]
    split = parse(row(0), row(1), row(16.5), row(17)).aircraft[0]
    assert bridged.point_at(7.0) is not None
    assert [t_s for t_s in (0.0, 1.0, 1.01, 9.0, 16.49, 16.5, 17.0) if split.point_at(t_s)] == [0.0, 1.0, 16.5, 17.0]


def test_an_aircraft_of_one_row_is_present_at_that_instant() -> None:
    aircraft = parse(row(3, up_m=7)).aircraft[0]
    assert aircraft.point_at(3.0) == ((0.0, 0.0, 7.0), (0.0, 0.0, 0.0))
    assert aircraft.point_at(3.01) is None


def test_the_callsign_is_the_first_known_one() -> None:
    assert parse(row(0, callsign=""), row(1, callsign="QK7"), row(2, callsign="")).aircraft[0].callsign == "QK7"


@pytest.mark.parametrize("column", ["t", "east_m", "north_m", "up_m", "ve", "vn", "vu"])
@pytest.mark.parametrize(
    "text", ["", " ", "abc", "nan", "NaN", "inf", "-inf", "1e999", "1_0", "\u0663", "0x1", "1e9", "-1e9"]
)
def test_an_invalid_number_is_refused_with_line_and_column(column: str, text: str) -> None:
    bad = row(text) if column == "t" else row(1, **{column: text})
    (problem,) = refusals(f"{HEADER}\n{row(0, 'other')}\n{bad}\n")
    assert problem.startswith(f"traffic.csv:3: {column}: ")


def test_a_time_before_0_is_refused() -> None:
    (problem,) = refusals(f"{HEADER}\n{row(-1)}\n")
    assert problem.startswith("traffic.csv:2: t: out of [0.0, ")


@pytest.mark.parametrize("t", [1, 0.5])
def test_a_time_that_does_not_increase_is_refused_for_that_aircraft_only(t: float) -> None:
    (problem,) = refusals("\n".join([HEADER, row(1), row(0, "other"), row(t)]))
    assert problem == f"traffic.csv:4: t: {float(t)!r} does not come after 1.0, the row before of 'abc123'"


@pytest.mark.parametrize("column", COLUMNS)
def test_a_missing_column_is_named(column: str) -> None:
    text = ",".join(name for name in COLUMNS if name != column)
    assert refusals(f"{text}\n{row(0)}\n") == [f"traffic.csv:1: {column}: this column is missing"]


def test_other_columns_or_another_order_are_refused() -> None:
    for header in (f"{HEADER},alt", ",".join(reversed(COLUMNS))):
        (problem,) = refusals(f"{header}\n{row(0)}\n")
        assert problem.startswith("traffic.csv:1: the columns should be t,icao24,")


def test_a_row_with_too_few_or_too_many_fields_is_refused() -> None:
    problems = refusals(f"{HEADER}\n0,a,b\n{row(0)},7\n\n{row(1)}\n")
    assert problems == [
        "traffic.csv:2: squawk: 3 fields, should be 10",
        "traffic.csv:3: 11 fields, should be 10",
        "traffic.csv:4: t: 0 fields, should be 10",
    ]


@pytest.mark.parametrize(
    ("values", "column"),
    [
        ({"icao24": ""}, "icao24"),
        ({"icao24": "ä"}, "icao24"),
        ({"callsign": "x" * 65}, "callsign"),
        ({"callsign": "\x01"}, "callsign"),
    ],
)
def test_an_identity_that_is_empty_or_not_plain_text_is_refused(values: dict[str, str], column: str) -> None:
    (problem,) = refusals(f"{HEADER}\n{row(0, **values)}\n")
    assert problem.startswith(f"traffic.csv:2: {column}: ")


@pytest.mark.parametrize("text", ["", HEADER, f"{HEADER}\n"])
def test_a_table_without_rows_is_refused(text: str) -> None:
    assert all(problem.startswith("traffic.csv:1: ") for problem in refusals(text))


def test_a_quote_that_is_not_closed_is_refused() -> None:
    assert "not CSV" in refusals(f'{HEADER}\n0,"abc\n')[-1]


def test_several_problems_are_reported_at_once_up_to_a_limit() -> None:
    assert len(refusals("\n".join([HEADER, row("x", ve="y"), row(0, vu="z")]))) == 3
    assert len(refusals("\n".join([HEADER, *[row("x")] * 100]))) == MAX_PROBLEMS


def test_more_rows_or_aircraft_than_the_limits_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ROWS", 3)
    assert "more than 3 rows" in refusals("\n".join([HEADER, *[row(t) for t in range(4)]]))[0]
    monkeypatch.setattr(module, "MAX_AIRCRAFT", 2)
    assert "more than 2 aircraft" in refusals("\n".join([HEADER, *[row(0, name) for name in "abc"]]))[0]


def test_a_trajectory_file_alone_is_a_scenario_with_the_bot_at_rest(tmp_path: Path) -> None:
    loaded = load_scenario(EXAMPLE)
    assert loaded.trajectory is not None
    assert [aircraft.icao24 for aircraft in loaded.trajectory.aircraft] == ["4b1a01", "4b1a02"]
    assert loaded.scenario.name == "two_aircraft"
    assert (loaded.scenario.own_ship.position_m, loaded.scenario.own_ship.speed_mps) == ((0.0, 0.0, 0.0), 0.0)
    assert loaded.digest == hashlib.sha256(EXAMPLE.read_bytes()).hexdigest()

    packed = tmp_path / "two_aircraft.csv.gz"
    packed.write_bytes(gzip.compress(EXAMPLE.read_bytes()))
    again = load_scenario(packed)
    assert (again.trajectory, again.digest, again.scenario) == (loaded.trajectory, loaded.digest, loaded.scenario)


@pytest.mark.parametrize("raw", [b"no gzip", gzip.compress(b"t,icao24" * 100)[:-9], b""])
def test_a_packed_file_that_is_broken_is_refused(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "broken.csv.gz"
    path.write_bytes(raw)
    with pytest.raises(SpecError) as caught:
        load_scenario(path)
    assert str(caught.value).startswith(f"{path}:")


def test_bytes_that_are_not_utf_8_are_refused_with_their_line(tmp_path: Path) -> None:
    path = tmp_path / "latin.csv"
    path.write_bytes(f"{HEADER}\n{row(0)}\n".encode() + b"1,\xe4")
    with pytest.raises(SpecError) as caught:
        load_scenario(path)
    assert str(caught.value) == f"{path}:3: not UTF-8: unexpected end of data"

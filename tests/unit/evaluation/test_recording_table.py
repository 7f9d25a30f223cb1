import gzip
import json
from pathlib import Path

import pytest

from evaluation.recordings.errors import RecordingError
from evaluation.recordings.reading import table as module
from evaluation.recordings.reading.columns import choose_columns
from evaluation.recordings.reading.table import read_table

RECORDS = [{"time": 1, "icao24": "abc"}, {"time": 2, "icao24": None}]
NAMES = ["timestamp", "icao24", "latitude", "longitude", "altitude", "groundspeed", "track"]


def written(tmp_path: Path, name: str, content: str | bytes) -> Path:
    path = tmp_path / name
    raw = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(RecordingError) as caught:
        read_table(path)
    return str(caught.value)


@pytest.mark.parametrize(
    "document",
    [
        RECORDS,
        {"time": {"0": 1, "1": 2}, "icao24": {"0": "abc", "1": None}},
        {"time": {"0": 1, "1": 2}, "icao24": {"0": "abc"}},
        {"time": [1, 2], "icao24": ["abc", None]},
        {"columns": ["time", "icao24"], "index": [0, 1], "data": [[1, "abc"], [2, None]]},
    ],
)
@pytest.mark.parametrize("name", ["a.json", "a.json.gz", "A.JSON"])
def test_json_may_be_records_columns_or_split_packed_or_not(tmp_path: Path, name: str, document: object) -> None:
    table = read_table(written(tmp_path, name, json.dumps(document)))
    assert {key: list(values) for key, values in table.columns.items()} == {"time": [1, 2], "icao24": ["abc", None]}
    assert (table.numbers.tolist(), table.counted_in, table.unread) == ([1, 2], "row", ())


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_csv_rows_keep_their_line_numbers_and_rows_of_another_length_are_reported(tmp_path: Path, name: str) -> None:
    table = read_table(written(tmp_path, name, "\ufefftime, icao24\n1,abc\n\n2\n3,def\n4,x,y\n"))
    assert {key: list(values) for key, values in table.columns.items()} == {
        "time": ["1", "3"],
        "icao24": ["abc", "def"],
    }
    assert (table.numbers.tolist(), table.counted_in) == ([2, 5], "line")
    assert [(unread.number, unread.value) for unread in table.unread] == [
        (4, "1 fields instead of 2"),
        (6, "3 fields instead of 2"),
    ]


@pytest.mark.parametrize("document", [[1, {"time": 2}, None], {"columns": ["time"], "data": [[], [2], "x"]}])
def test_a_json_value_that_is_no_row_is_reported_with_its_number(tmp_path: Path, document: object) -> None:
    table = read_table(written(tmp_path, "a.json", json.dumps(document)))
    assert table.numbers.tolist() == [2]
    assert [unread.number for unread in table.unread] == [1, 3]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", "", "the name should end in"),
        ("a.json", "", "line 1, column 1: not JSON"),
        ("a.json", '[{"a": 1},\n {]', "line 2, column 3: not JSON"),
        ("a.json", "[" * 100_000, "not JSON of ours"),
        ("a.json", "7", "should be a list of objects"),
        ("a.json", '{"a": [1], "b": [1, 2]}', "differ in length: from 1 to 2"),
        ("a.json", '{"a": {"0": 1}, "b": {"1": 1}}', "column 'b' has rows that others have not"),
        ("a.json", '{"a": 1}', "column 'a' should be a list or an object"),
        ("a.json", '{"columns": ["a"]}', "a list `data`"),
        ("a.json", '{"columns": ["a", "a"], "data": []}', "column 'a' is there twice"),
        ("a.csv", "a,b,a\n1,2,3\n", "column 'a' is there twice"),
        ("a.csv", "a\n" + "x" * 200_000, "line 2: not CSV"),
        ("a.csv", ",".join(f"c{number}" for number in range(1001)), "more than 1000 columns"),
    ],
)
def test_a_file_that_is_no_table_is_refused_with_the_location(
    tmp_path: Path, name: str, content: str, message: str
) -> None:
    path = written(tmp_path, name, content)
    assert refusal(path).startswith(f"{path}: ")
    assert message in refusal(path)


@pytest.mark.parametrize("raw", [b"no gzip", gzip.compress(b"time,icao24\n" * 100)[:-9], b"\x1f\x8b\x08"])
def test_a_packed_file_that_is_broken_is_refused(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(raw)
    assert "cannot be read" in refusal(path)


def test_an_empty_file_is_a_table_without_columns(tmp_path: Path) -> None:
    assert read_table(written(tmp_path, "a.csv", "")).columns == {}


def test_a_missing_or_too_large_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "there is no such file" in refusal(tmp_path / "a.csv")
    monkeypatch.setattr(module, "MAX_BYTES", 10)
    assert "larger than 10 bytes" in refusal(written(tmp_path, "a.csv.gz", "x" * 11))


def test_columns_are_known_by_their_usual_names_with_their_units() -> None:
    columns = choose_columns(["Time", "hex", "lat", "lon", "geoaltitude", "velocity", "heading", "vertrate", "alert"])
    shown = {field: str(column) for field, column in columns.by_field.items()}
    assert shown == {
        "timestamp": "Time",
        "id": "hex",
        "latitude": "lat",
        "longitude": "lon",
        "altitude": "geoaltitude (m)",
        "groundspeed": "velocity (mps)",
        "track": "heading",
        "vertical_rate": "vertrate (mps)",
    }
    assert columns.ignored == ("alert",)
    assert str(choose_columns([*NAMES[:4], "geoaltitude", "groundspeed", "track"]).by_field["altitude"]) == (
        "geoaltitude (ft)"
    )


def test_a_column_may_be_given_with_its_unit() -> None:
    columns = choose_columns([*NAMES, "h:wgs", "geo"], ["altitude=h:wgs:m", "groundspeed=geo:kmh", "track=track"])
    assert str(columns.by_field["altitude"]) == "h:wgs (m)"
    assert columns.by_field["groundspeed"].factor == pytest.approx(1 / 3.6)
    assert columns.ignored == ("altitude", "groundspeed")
    assert str(choose_columns([*NAMES, "geoaltitude"], ["altitude=geoaltitude"]).by_field["altitude"]) == (
        "geoaltitude (ft)"
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("altitude", "expected FIELD=NAME"),
        ("altitude=", "expected FIELD=NAME"),
        ("height=altitude", "expected FIELD=NAME"),
        ("altitude=nothing:m", "there is no column 'nothing'"),
        ("altitude=altitude:kt", "units of altitude: ft, m"),
        ("track=track:deg", "units of track: none"),
    ],
)
def test_an_invalid_column_mapping_is_refused(given: str, message: str) -> None:
    with pytest.raises(RecordingError, match="--column") as caught:
        choose_columns(NAMES, [given])
    assert message in str(caught.value)


@pytest.mark.parametrize("missing", range(len(NAMES)))
def test_a_missing_required_column_is_named_with_its_accepted_names(missing: int) -> None:
    names = [name for number, name in enumerate(NAMES) if number != missing]
    with pytest.raises(RecordingError, match="no column for ") as caught:
        choose_columns(names)
    assert NAMES[missing] in str(caught.value)
    assert names[0] in str(caught.value)


def test_a_table_of_ships_needs_no_altitude() -> None:
    assert choose_columns(["BaseDateTime", "MMSI", "LAT", "LON", "SOG", "COG"]).is_ais

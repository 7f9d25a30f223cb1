"""The JetStream streams of a mesh take their sizes from the disk, and never shrink."""

from pathlib import Path

import pytest

from cli.errors import UsageError
from cli.local_mesh.jetstream import declared_bytes
from cli.local_mesh.storage import disk_space
from cli.local_mesh.storage.disk_space import (
    FACTOR_FILE,
    SMALLEST_FACTOR,
    fitting_factor,
    needed_bytes,
    stream_size_factor,
)
from declared import BUS

GIB = 1024**3
DECLARED = declared_bytes(BUS)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """A disk whose free space a test sets."""
    free = {"bytes": 100 * GIB}
    monkeypatch.setattr(disk_space, "free_bytes", lambda _directory: free["bytes"])
    return free


def test_streams_have_their_declared_sizes_if_they_fit_and_reserve_three_quarters_of_the_space_otherwise() -> None:
    assert fitting_factor(100 * GIB, DECLARED) == 1.0
    assert 0.74 * GIB < fitting_factor(GIB, DECLARED) * DECLARED <= 0.75 * GIB


def test_the_smallest_mesh_fits_exactly_into_the_reported_minimum() -> None:
    needed = needed_bytes(DECLARED)
    assert fitting_factor(needed, DECLARED) >= SMALLEST_FACTOR
    assert fitting_factor(needed - DECLARED // 500, DECLARED) < SMALLEST_FACTOR
    assert needed < GIB // 3


def test_the_factor_is_kept_when_space_becomes_scarce_and_grows_when_there_is_more(
    tmp_path: Path, disk: dict[str, int]
) -> None:
    disk["bytes"] = GIB
    first = stream_size_factor(tmp_path, DECLARED)
    disk["bytes"] = 1000
    assert stream_size_factor(tmp_path, DECLARED) == first
    disk["bytes"] = 2 * GIB
    second = stream_size_factor(tmp_path, DECLARED)
    assert first < second < 1
    assert (tmp_path / FACTOR_FILE).read_text() == f"{second}\n"


def test_streams_created_without_a_factor_keep_their_declared_sizes(tmp_path: Path, disk: dict[str, int]) -> None:
    (tmp_path / "nats").mkdir()
    disk["bytes"] = 1000
    assert stream_size_factor(tmp_path, DECLARED) == 1.0


def test_a_disk_that_is_too_small_is_refused_with_the_missing_space_the_directory_and_the_remedy(
    tmp_path: Path, disk: dict[str, int]
) -> None:
    disk["bytes"] = 1_000_000
    with pytest.raises(UsageError) as refusal:
        stream_size_factor(tmp_path, DECLARED)
    needed = needed_bytes(DECLARED)
    assert str(refusal.value) == (
        f"There is too little space for the JetStream streams in {tmp_path}: 1,000,000 bytes are free, {needed:,} are "
        f"needed, {needed - 1_000_000:,} more. Free some, or name a directory on a larger disk: --state-dir DIR, or "
        "the environment variable TMPDIR for temporary state."
    )


@pytest.mark.parametrize("text", ["", "x", "0", "-1", "nan", "7"])
def test_a_damaged_factor_is_computed_again(tmp_path: Path, disk: dict[str, int], text: str) -> None:
    (tmp_path / FACTOR_FILE).write_text(text)
    disk["bytes"] = GIB
    assert stream_size_factor(tmp_path, DECLARED) == fitting_factor(GIB, DECLARED)
    assert (tmp_path / FACTOR_FILE).read_text() == f"{fitting_factor(GIB, DECLARED)}\n"

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from damage import damaged
from mesh.serving.errors import StartError
from mesh.storage.files import write_checked
from svc_sim.durability.reservation import Reservation, prepare

RUN = "7b6f0a3e-2f5c-4f0e-9c41-3a8d2f1e5b00"
OTHER = "99999999-2222-4333-8444-555555555555"
FILE = "reserved_tick"


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    """A directory that is prepared for a run."""
    prepare(tmp_path, RUN)
    return tmp_path


def reopened(state_dir: Path, block_ticks: int = 20) -> Reservation:
    return Reservation.open(state_dir, RUN, block_ticks)


def test_nothing_is_reserved_for_a_new_run(state_dir: Path) -> None:
    reservation = reopened(state_dir)
    assert (reservation.tick, reservation.journal_bytes) == (0, 0)
    assert not reservation.covers(1)


def test_a_reservation_covers_the_tick_and_the_rest_of_its_block(state_dir: Path) -> None:
    reservation = reopened(state_dir)
    reservation.extend(1)
    assert reservation.covers(1)
    assert reservation.covers(20)
    assert not reservation.covers(21)


def test_a_reservation_survives_a_restart(state_dir: Path) -> None:
    reopened(state_dir).extend(45, 678)
    found = reopened(state_dir)
    assert (found.tick, found.journal_bytes) == (60, 678)


def test_the_journals_length_is_kept_without_another_tick(state_dir: Path) -> None:
    reservation = reopened(state_dir)
    reservation.extend(45)
    reservation.keep(99)
    found = reopened(state_dir)
    assert (found.tick, found.journal_bytes) == (60, 99)


def test_a_tick_at_a_blocks_end_is_covered_too(state_dir: Path) -> None:
    reservation = reopened(state_dir)
    reservation.extend(40)
    assert reservation.covers(40)


@given(st.integers(1, 10**12), st.integers(1, 10**6))
def test_a_reservation_exceeds_its_tick_by_one_block_at_most(
    tmp_path_factory: pytest.TempPathFactory, tick: int, block_ticks: int
) -> None:
    state_dir = tmp_path_factory.mktemp("block")
    prepare(state_dir, RUN)
    reservation = reopened(state_dir, block_ticks)
    reservation.extend(tick)
    assert tick <= reservation.tick <= tick + block_ticks


def test_damage_to_any_byte_is_refused_with_the_remedy(state_dir: Path) -> None:
    reopened(state_dir).extend(12_345, 678)
    path = state_dir / FILE
    for content in damaged(path.read_bytes()):
        path.write_bytes(content)
        with pytest.raises(StartError, match=r"reserved_tick is damaged: .* begin a new run: `qiki up --new-run`"):
            reopened(state_dir)
        with pytest.raises(StartError, match="reserved_tick is damaged"):
            prepare(state_dir, OTHER)


@pytest.mark.parametrize(
    "content", [b"", b"x", b"-1", f"{RUN} 1.5 0".encode(), f"{RUN} {'9' * 19} 0".encode(), f"{RUN} 1 2 3".encode()]
)
def test_a_file_that_holds_no_reservation_is_refused(state_dir: Path, content: bytes) -> None:
    write_checked(state_dir / FILE, content)
    with pytest.raises(StartError, match="reserved_tick holds no reservation"):
        reopened(state_dir)


def test_a_reservation_of_the_previous_format_is_refused(state_dir: Path) -> None:
    (state_dir / FILE).write_bytes(b"60 678\n")
    with pytest.raises(StartError, match="does not end in the line with its checksum"):
        reopened(state_dir)


def test_a_reservation_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    with pytest.raises(StartError, match="reserved_tick cannot be read: Is a directory"):
        reopened(tmp_path)


def test_a_missing_reservation_is_detected(state_dir: Path) -> None:
    (state_dir / FILE).unlink()
    with pytest.raises(StartError, match="reserved_tick is gone: nobody knows which ticks"):
        reopened(state_dir)


def test_the_reservation_of_another_run_is_refused(state_dir: Path) -> None:
    with pytest.raises(StartError, match=f"is of run {RUN}, the directory holds run {OTHER}"):
        Reservation.open(state_dir, OTHER, 20)


def test_no_run_starts_over_the_reserved_ticks_of_a_run_without_a_run_file(state_dir: Path) -> None:
    reopened(state_dir).extend(45)
    with pytest.raises(StartError, match=f"has lost run {RUN}, of which 60 ticks are reserved"):
        prepare(state_dir, OTHER)
    assert reopened(state_dir).tick == 60


def test_a_start_that_died_before_its_run_was_durable_does_not_prevent_the_next_start(state_dir: Path) -> None:
    prepare(state_dir, OTHER)
    assert Reservation.open(state_dir, OTHER, 20).tick == 0


def test_a_reservation_that_cannot_be_written_durably_reserves_nothing(state_dir: Path) -> None:
    reservation = reopened(state_dir)
    (state_dir / f".{FILE}.new").mkdir()
    with pytest.raises(IsADirectoryError):
        reservation.extend(1)
    assert not reservation.covers(1)

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.errors import StartError
from svc_sim.reservation import Reservation


def test_nothing_is_reserved_in_an_empty_directory(tmp_path: Path) -> None:
    reservation = Reservation(tmp_path, 20)
    assert reservation.tick == 0
    assert not reservation.covers(1)
    assert list(tmp_path.iterdir()) == []


def test_a_reservation_covers_the_tick_and_the_rest_of_its_block(tmp_path: Path) -> None:
    reservation = Reservation(tmp_path, 20)
    reservation.extend(1)
    assert reservation.covers(1)
    assert reservation.covers(20)
    assert not reservation.covers(21)


def test_a_reservation_is_there_after_a_restart(tmp_path: Path) -> None:
    Reservation(tmp_path, 20).extend(45)
    assert Reservation(tmp_path, 20).tick == 60


def test_a_tick_at_a_blocks_end_is_covered_too(tmp_path: Path) -> None:
    reservation = Reservation(tmp_path, 20)
    reservation.extend(40)
    assert reservation.covers(40)


@given(st.integers(1, 10**12), st.integers(1, 10**6))
def test_a_reservation_goes_beyond_its_tick_by_one_block_at_most(
    tmp_path_factory: pytest.TempPathFactory, tick: int, block_ticks: int
) -> None:
    reservation = Reservation(tmp_path_factory.getbasetemp(), block_ticks)
    reservation.extend(tick)
    assert tick <= reservation.tick <= tick + block_ticks


@pytest.mark.parametrize(
    "content", [b"", b"x", b"-1", b"1.5", b"nan", b"\xff\xfe", b"9" * 30, b"1" * 5_000, "١٢".encode(), b"1 2 3"]
)
def test_a_damaged_reservation_is_refused_by_its_path(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "reserved_tick").write_bytes(content)
    with pytest.raises(StartError, match=r"reserved_tick is damaged: .* begin anew in an empty directory"):
        Reservation(tmp_path, 20)


def test_a_reservation_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "reserved_tick").mkdir()
    with pytest.raises(StartError, match="reserved_tick cannot be read: Is a directory"):
        Reservation(tmp_path, 20)


def test_where_it_cannot_be_made_durable_nothing_is_reserved(tmp_path: Path) -> None:
    reservation = Reservation(tmp_path / "gone", 20)
    with pytest.raises(FileNotFoundError):
        reservation.extend(1)
    assert not reservation.covers(1)

"""When nats-server is started again: it stores badly, there is space, and it was not long ago."""

from itertools import pairwise

from cli.local_mesh.disk_space import ROOM_BYTES
from cli.local_mesh.storage_watch import RESTART_INTERVAL_S, StorageCare

PROBLEM = "no space left on device"


def test_a_server_that_is_well_is_left_alone() -> None:
    care = StorageCare()
    assert not any(care.restarts_now("", ROOM_BYTES, float(now)) for now in range(100))
    assert care.problem == ""


def test_a_server_that_stores_badly_is_restarted_once_two_looks_agree() -> None:
    care = StorageCare()
    looks = [care.restarts_now(PROBLEM, ROOM_BYTES, float(now)) for now in range(2)]
    assert looks == [False, True]
    assert care.problem == PROBLEM


def test_a_single_bad_look_is_forgotten() -> None:
    care = StorageCare()
    looks = [care.restarts_now(problem, ROOM_BYTES, 0.0) for problem in (PROBLEM, "", PROBLEM, "")]
    assert looks == [False] * 4


def test_nothing_happens_while_the_disk_is_full_and_the_restart_comes_with_the_space() -> None:
    care = StorageCare()
    assert not any(care.restarts_now(PROBLEM, ROOM_BYTES - 1, float(now)) for now in range(1000))
    assert care.restarts_now(PROBLEM, ROOM_BYTES, 1000.0)


def test_restarts_come_no_faster_than_the_interval() -> None:
    care = StorageCare()
    step_s = 0.5
    times = [step_s * step for step in range(400) if care.restarts_now(PROBLEM, ROOM_BYTES, step_s * step)]
    assert len(times) > 2
    assert all(later - earlier >= RESTART_INTERVAL_S for earlier, later in pairwise(times))

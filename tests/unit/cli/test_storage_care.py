"""Conditions for restarting nats-server: writes fail, the disk has space, and the last restart was long enough ago."""

from itertools import pairwise

from cli.local_mesh.storage.disk_space import ROOM_BYTES
from cli.local_mesh.storage.storage_watch import RESTART_INTERVAL_S, StorageCare

PROBLEM = "no space left on device"


def test_a_healthy_server_is_not_restarted() -> None:
    care = StorageCare()
    assert not any(care.restarts_now("", ROOM_BYTES, float(now)) for now in range(100))
    assert care.problem == ""


def test_a_server_with_failing_writes_is_restarted_after_two_failed_checks() -> None:
    care = StorageCare()
    looks = [care.restarts_now(PROBLEM, ROOM_BYTES, float(now)) for now in range(2)]
    assert looks == [False, True]
    assert care.problem == PROBLEM


def test_a_single_failed_check_is_forgotten() -> None:
    care = StorageCare()
    looks = [care.restarts_now(problem, ROOM_BYTES, 0.0) for problem in (PROBLEM, "", PROBLEM, "")]
    assert looks == [False] * 4


def test_the_restart_waits_while_the_disk_is_full_and_happens_once_there_is_space() -> None:
    care = StorageCare()
    assert not any(care.restarts_now(PROBLEM, ROOM_BYTES - 1, float(now)) for now in range(1000))
    assert care.restarts_now(PROBLEM, ROOM_BYTES, 1000.0)


def test_restarts_come_no_faster_than_the_interval() -> None:
    care = StorageCare()
    step_s = 0.5
    times = [step_s * step for step in range(400) if care.restarts_now(PROBLEM, ROOM_BYTES, step_s * step)]
    assert len(times) > 2
    assert all(later - earlier >= RESTART_INTERVAL_S for earlier, later in pairwise(times))

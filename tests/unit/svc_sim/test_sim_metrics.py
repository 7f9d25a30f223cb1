from prometheus_client import CollectorRegistry

from qiki.sim.v1.sim_service_pb2 import SimulationPhase
from svc_sim.metrics import SPAN_S, ReachedSpeed, SimMetrics

S = 1_000_000_000


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def run(speed: ReachedSpeed, clock: Clock, *, seconds: int, ratio: int, from_s: int = 0) -> int:
    """Reach the simulation time of every second, at this ratio of simulation time; return the time reached."""
    for second in range(seconds + 1):
        speed.reach((from_s + second * ratio) * S)
        clock.now_s += 1
    clock.now_s -= 1
    return from_s + seconds * ratio


def test_the_speed_reached_is_simulation_time_by_wall_clock_time() -> None:
    clock = Clock()
    speed = ReachedSpeed(clock)
    assert speed.factor() == 0
    run(speed, clock, seconds=3, ratio=20)
    assert speed.factor() == 20


def test_the_speed_reached_forgets_what_was_two_spans_ago() -> None:
    clock = Clock()
    speed = ReachedSpeed(clock)
    reached_s = run(speed, clock, seconds=30, ratio=20)
    run(speed, clock, seconds=round(2 * SPAN_S) + 2, ratio=1, from_s=reached_s)
    assert speed.factor() == 1


def test_a_simulation_that_stands_still_slows_down() -> None:
    clock = Clock()
    speed = ReachedSpeed(clock)
    run(speed, clock, seconds=4, ratio=1)
    clock.now_s += 36
    assert speed.factor() == 0.1


def test_ticks_and_the_phase_are_exported() -> None:
    registry = CollectorRegistry()
    metrics = SimMetrics(registry)
    metrics.phase = lambda: SimulationPhase.SIMULATION_PHASE_PAUSED
    for tick in (1, 2, 3):
        metrics.ticked(tick * S, 0.002)
    assert registry.get_sample_value("qiki_sim_ticks_total") == 3
    assert registry.get_sample_value("qiki_sim_tick_duration_seconds_count") == 3
    assert registry.get_sample_value("qiki_sim_tick_duration_seconds_bucket", {"le": "0.001"}) == 0
    phases = {
        name: registry.get_sample_value("qiki_sim_phase", {"phase": name})
        for name in ("running", "paused", "blocked", "replaying", "ended")
    }
    assert phases == {"running": 0, "paused": 1, "blocked": 0, "replaying": 0, "ended": 0}

"""Metrics of the simulator: ticks and their duration, the phase, and the speed that it reaches."""

import time
from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from mesh.clock import NS_PER_S
from qiki.sim.v1.sim_service_pb2 import SimulationPhase

# The speed reached is that of the last one or two of these spans of wall-clock time.
SPAN_S = 5.0
_PREFIX = "SIMULATION_PHASE_"
_BUCKETS = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25)


class SimMetrics(Collector):
    """The metrics of one simulation, whose loop calls `ticked`; `phase` returns its phase.

    They are read from the metrics thread.
    """

    def __init__(self, registry: CollectorRegistry, now: Callable[[], float] = time.monotonic) -> None:
        self.phase: Callable[[], SimulationPhase.ValueType] = lambda: SimulationPhase.SIMULATION_PHASE_UNSPECIFIED
        self._ticks = 0
        self._speed = ReachedSpeed(now)
        self._duration = Histogram(
            "qiki_sim_tick_duration_seconds",
            "Time to compute a tick and to publish its events.",
            registry=registry,
            buckets=_BUCKETS,
        )
        registry.register(self)

    def ticked(self, time_ns: int, duration_s: float) -> None:
        """Count a tick, which has reached this simulation time and took so many seconds to compute."""
        self._ticks += 1
        self._speed.reach(time_ns)
        self._duration.observe(duration_s)

    def collect(self) -> Iterable[Metric]:
        """Yield the metrics computed when they are scraped."""
        ticks = CounterMetricFamily("qiki_sim_ticks", "Ticks computed, those of a replay included.")
        ticks.add_metric([], self._ticks)
        phases = GaugeMetricFamily("qiki_sim_phase", "1 for the current phase, 0 for the others.", labels=["phase"])
        current = self.phase()
        for name, number in SimulationPhase.items():
            if number != SimulationPhase.SIMULATION_PHASE_UNSPECIFIED:
                phases.add_metric([name.removeprefix(_PREFIX).lower()], int(number == current))
        factor = GaugeMetricFamily(
            "qiki_sim_real_time_factor", "Simulation seconds that pass in a second, over the last 5 to 10 s."
        )
        factor.add_metric([], self._speed.factor())
        yield from (ticks, phases, factor)


class ReachedSpeed:
    """The speed that a simulation reaches, measured over one to two spans of wall-clock time."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._since: tuple[float, int] | None = None  # the start of the last span
        self._span: tuple[float, int] | None = None  # the start of this one
        self._reached_ns = 0

    def reach(self, time_ns: int) -> None:
        """Note that the simulation has reached this time."""
        now_s = self._now()
        if self._span is None:
            self._since = self._span = now_s, time_ns
        elif now_s - self._span[0] >= SPAN_S:
            self._since, self._span = self._span, (now_s, time_ns)
        self._reached_ns = time_ns

    def factor(self) -> float:
        """Return the simulation seconds that passed in a second; 0 before the second tick."""
        since = self._since
        if since is None or (passed_s := self._now() - since[0]) <= 0.0:
            return 0.0
        return (self._reached_ns - since[1]) / NS_PER_S / passed_s

"""A counter with one label, cheap enough for the paths of single events."""

from prometheus_client import CollectorRegistry, Counter


class LabelledCounter:
    """Counts by the value of one label, of few values; the counter of each value is looked up once."""

    def __init__(self, name: str, documentation: str, label: str, registry: CollectorRegistry) -> None:
        self._family = Counter(name, documentation, [label], registry=registry)
        self._counters: dict[str, Counter] = {}

    def inc(self, value: str, count: int = 1) -> None:
        """Count events of this value of the label."""
        counter = self._counters.get(value)
        if counter is None:
            counter = self._counters[value] = self._family.labels(value)
        counter.inc(count)

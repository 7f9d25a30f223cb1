"""One scrape of `/metrics`: finite values by name and labels; a value that is absent or not finite is unknown."""

import math
from collections.abc import Iterator, Mapping
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

Labels = Mapping[str, str]
MAX_SERIES: Final = 5000
NO_LABELS: Final[Labels] = {}


class MetricsError(ValueError):
    """The text is not in the format of Prometheus."""


class Metrics:
    """The finite values of one scrape."""

    def __init__(self, series: Mapping[str, list[tuple[Labels, float]]]) -> None:
        self._series = series

    @classmethod
    def of(cls, **values: float) -> "Metrics":
        """Return metrics without labels."""
        return cls({name: [(NO_LABELS, value)] for name, value in values.items() if math.isfinite(value)})

    def value(self, name: str) -> float | None:
        """Return the value of a metric without labels; None where it is unknown."""
        found = self._series.get(name)
        return found[0][1] if found else None

    def by(self, name: str, label: str) -> dict[str, float]:
        """Return the values of a metric by one of its labels."""
        return {labels[label]: value for labels, value in self._series.get(name, ()) if label in labels}

    def by_two(self, name: str, first: str, second: str) -> dict[tuple[str, str], float]:
        """Return the values of a metric by two of its labels."""
        return {
            (labels[first], labels[second]): value
            for labels, value in self._series.get(name, ())
            if first in labels and second in labels
        }

    def total(self, name: str) -> float | None:
        """Return the sum of a metric over its labels; None where there is no value."""
        found = self._series.get(name)
        return sum(value for _, value in found) if found else None


def parse_metrics(body: bytes) -> Metrics:
    """Parse the text format of Prometheus; at most MAX_SERIES values are kept. Raises MetricsError."""
    series: dict[str, list[tuple[Labels, float]]] = {}
    try:
        for count, (name, labels, value) in enumerate(_samples(body.decode("utf-8", "replace"))):
            if count == MAX_SERIES:
                break
            if math.isfinite(value):
                series.setdefault(name, []).append((labels, value))
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:  # of the parser, on other text
        raise MetricsError(f"not in the format of Prometheus: {error}") from None
    return Metrics(series)


def _samples(text: str) -> Iterator[tuple[str, Labels, float]]:
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            yield sample.name, sample.labels, float(sample.value)

"""One round of questions to one service, and the statuses that a service can have."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cli.views.top.model.metrics import Metrics

SERVING: Final = "SERVING"
NOT_SERVING: Final = "NOT_SERVING"
UNREACHABLE: Final = "UNREACHABLE"
UNKNOWN: Final = "UNKNOWN"  # not asked yet


@dataclass(frozen=True, slots=True)
class Answer:
    """The answers of one service at `at_s` seconds on the monotonic clock.

    `status` is the name of its health status, or UNREACHABLE; `reason` is one sentence, empty where there is none.
    `facts` and `metrics` are None where `/healthz` or `/metrics` gave no usable answer.
    """

    name: str
    at_s: float
    status: str
    reason: str = ""
    pid: int | None = None
    facts: Mapping[str, Any] | None = None
    metrics: Metrics | None = field(default=None)

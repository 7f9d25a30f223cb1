"""Trace settings: where the spans go and how many traces are recorded, by OpenTelemetry's own variables as defaults."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

_SAMPLERS = ("always_on", "always_off", "traceidratio")
_PARENT_BASED = "parentbased_"


@dataclass(frozen=True, slots=True)
class TraceSettings:
    """Destination and sampling of a service's spans.

    `exporter` is `otlp` (where `endpoint` is set), `console` or `none`; `protocol` is `grpc` or `http/protobuf`.
    `sample_ratio` is the share of the traces begun here that are recorded; a trace begun elsewhere keeps its decision.
    RPCs whose `Service/Method` matches one of the patterns `untraced_rpcs` make no spans.
    """

    exporter: str = "otlp"
    endpoint: str = ""
    protocol: str = "grpc"
    sample_ratio: float = 1.0
    untraced_rpcs: tuple[str, ...] = ("*/Confirm*",)

    @property
    def enabled(self) -> bool:
        """Whether any span is recorded at all."""
        return self.exporter == "console" or (self.exporter == "otlp" and bool(self.endpoint))

    def traces_rpc(self, method: str) -> bool:
        """Return whether calls of `package.Service/Method` make spans."""
        return not any(fnmatchcase(method, pattern) for pattern in self.untraced_rpcs)


def default_exporter(environment: Mapping[str, str] = os.environ) -> str:
    """Return the exporter that OTEL_SDK_DISABLED and OTEL_TRACES_EXPORTER ask for; `otlp` if they are not set."""
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return "none"
    return environment.get("OTEL_TRACES_EXPORTER", "").strip() or "otlp"


def default_endpoint(environment: Mapping[str, str] = os.environ) -> str:
    """Return the OTLP endpoint for traces by OTEL_EXPORTER_OTLP_[TRACES_]ENDPOINT; empty if neither is set."""
    return _either(environment, "ENDPOINT", "")


def default_protocol(environment: Mapping[str, str] = os.environ) -> str:
    """Return the OTLP protocol for traces by OTEL_EXPORTER_OTLP_[TRACES_]PROTOCOL; `grpc` if neither is set."""
    return _either(environment, "PROTOCOL", "grpc")


def default_sample_ratio(environment: Mapping[str, str] = os.environ) -> float:
    """Return the sample ratio by OTEL_TRACES_SAMPLER and its _ARG; 1 if it is not set. Always parent-based here.

    Raises:
        ValueError: an unknown sampler, or a ratio that is not a number in [0, 1].
    """
    sampler = environment.get("OTEL_TRACES_SAMPLER", "").strip().removeprefix(_PARENT_BASED) or "always_on"
    if sampler not in _SAMPLERS:
        raise ValueError(
            f"OTEL_TRACES_SAMPLER is {sampler!r}; known are {', '.join(_SAMPLERS)}, each also parentbased_"
        )
    if sampler != "traceidratio":
        return 1.0 if sampler == "always_on" else 0.0
    argument = environment.get("OTEL_TRACES_SAMPLER_ARG", "").strip() or "1"
    try:
        ratio = float(argument)
    except ValueError:
        ratio = -1.0
    if not 0.0 <= ratio <= 1.0:
        raise ValueError(f"OTEL_TRACES_SAMPLER_ARG is {argument!r}, not a ratio from 0 to 1")
    return ratio


def _either(environment: Mapping[str, str], name: str, otherwise: str) -> str:
    for variable in (f"OTEL_EXPORTER_OTLP_TRACES_{name}", f"OTEL_EXPORTER_OTLP_{name}"):
        if value := environment.get(variable, "").strip():
            return value
    return otherwise

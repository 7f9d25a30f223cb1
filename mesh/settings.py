"""Settings of a service: environment first, then a YAML file; an unknown key in either is refused."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import yaml
from pydantic import Field, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, YamlConfigSettingsSource

from mesh.telemetry import trace_settings

SPOOL_DIR = "audit-spool"


def Port(default: int) -> Any:
    """Return the field of a port number; 0 lets the system choose."""
    return Field(default=default, ge=0, le=65_535)


class SettingsError(ValueError):
    """Invalid settings; the text names each key and its source."""


class ServiceSettings(BaseSettings):
    """Settings common to all services. Environment variables are the prefix and the field's name in capitals.

    `runtime` names the file that `qiki botspec generate` wrote for this service from the file `bot_spec`; without it
    the service reads `bot_spec` itself, and without that, the example bot's.

    With an empty `registrar_target` no audit events are reported. They are kept in `spool_dir` until the registrar has
    them, by default a directory in the state directory; a service without either keeps them in memory. The settings of
    traces have OpenTelemetry's own variables as defaults: OTEL_TRACES_EXPORTER, OTEL_EXPORTER_OTLP_ENDPOINT,
    OTEL_TRACES_SAMPLER and so on.
    """

    model_config = SettingsConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    service_name: ClassVar[str] = ""

    host: str = Field(default="127.0.0.1", min_length=1)
    grpc_port: int = Port(0)
    http_port: int = Port(0)
    bot_spec: Path | None = None
    runtime: Path | None = None
    registrar_target: str = "127.0.0.1:50054"
    spool_dir: Path | None = None
    log_format: Literal["auto", "json", "text"] = "auto"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    trace_exporter: Literal["otlp", "console", "none"] = Field(
        default_factory=trace_settings.default_exporter, validate_default=True
    )
    otlp_endpoint: str = Field(default_factory=trace_settings.default_endpoint)
    otlp_protocol: Literal["grpc", "http/protobuf"] = Field(
        default_factory=trace_settings.default_protocol, validate_default=True
    )
    trace_sample_ratio: float = Field(default_factory=trace_settings.default_sample_ratio, ge=0.0, le=1.0)
    untraced_rpcs: tuple[str, ...] = trace_settings.TraceSettings().untraced_rpcs
    heartbeat_s: float = Field(default=5.0, ge=0.05, le=5.0)
    drain_s: float = Field(default=2.0, ge=0.0, le=3.0)
    stall_s: float = Field(default=30.0, ge=0.5, le=600.0)

    def traces(self) -> trace_settings.TraceSettings:
        """Return the settings of traces."""
        return trace_settings.TraceSettings(
            exporter=self.trace_exporter,
            endpoint=self.otlp_endpoint,
            protocol=self.otlp_protocol,
            sample_ratio=self.trace_sample_ratio,
            untraced_rpcs=self.untraced_rpcs,
        )

    def audit_spool(self) -> Path | None:
        """Return the directory of audit events that wait for the registrar; None: they are kept in memory."""
        state_dir: Path | None = getattr(self, "state_dir", None)  # some services keep no state
        return self.spool_dir or (state_dir / SPOOL_DIR if state_dir is not None else None)

    @classmethod
    def load(cls) -> Self:
        """Read the environment, and the YAML file that `<prefix>CONFIG` names, if set.

        Raises:
            SettingsError: an unknown key or an invalid value; names each.
        """
        prefix = str(cls.model_config["env_prefix"])
        known = {f"{prefix}{name}".upper() for name in cls.model_fields} | {f"{prefix}CONFIG"}
        unknown = sorted(key for key in os.environ if key.upper().startswith(prefix) and key.upper() not in known)
        if unknown:
            raise SettingsError(f"unknown setting in the environment: {', '.join(unknown)}; known: {_listed(known)}")
        try:
            trace_settings.default_sample_ratio()
        except ValueError as error:
            raise SettingsError(str(error)) from None
        path = os.environ.get(f"{prefix}CONFIG")
        if path and not Path(path).is_file():
            raise SettingsError(f"{prefix}CONFIG: no such file: {path}")
        try:
            return cls()
        except ValidationError as error:
            raise SettingsError("\n".join(_problems(prefix, error.errors(), known))) from None
        except (OSError, ValueError, TypeError, yaml.YAMLError) as error:
            raise SettingsError(f"{prefix}CONFIG: not a YAML file of settings by name: {error}") from error

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order the sources: arguments, environment, file."""
        found = [init_settings, env_settings]
        path = os.environ.get(f"{cls.model_config['env_prefix']}CONFIG")
        if path:
            found.append(YamlConfigSettingsSource(settings_cls, yaml_file=path))
        return tuple(found)


def _problems(prefix: str, details: list[ErrorDetails], known: set[str]) -> Iterator[str]:
    """Yield one line a setting: a value of a union type is refused once, not once for each member."""
    messages: dict[str, list[str]] = {}
    for item in details:
        key = item["loc"][0]
        if item["type"] == "extra_forbidden":  # only the file can hold one: the environment was checked before
            yield f"{prefix}CONFIG: unknown setting in the file: {key}; known: {_listed(known)}"
        else:
            messages.setdefault(f"{prefix}{key}".upper(), []).append(f"{item['msg']} (got {item['input']!r})")
    for name, refusals in messages.items():
        yield f"{name}: {', or '.join(refusals)}"


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names))

"""Settings of a service: environment first, then a YAML file; an unknown key in either is refused."""

import os
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, YamlConfigSettingsSource


def Port(default: int) -> Any:
    """Return the field of a port number; 0 lets the system choose."""
    return Field(default=default, ge=0, le=65_535)


class SettingsError(ValueError):
    """Settings that cannot be used; the text names each key and where it came from."""


class ServiceSettings(BaseSettings):
    """What every service can be told. Environment variables are the prefix and the field's name in capitals."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    service_name: ClassVar[str] = ""

    host: str = "127.0.0.1"
    grpc_port: int = Port(0)
    http_port: int = Port(0)
    bot_spec: Path | None = None
    log_format: Literal["auto", "json", "text"] = "auto"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    otlp_endpoint: str = ""
    trace_sample_ratio: float = Field(default=1.0, ge=0.0, le=1.0)
    heartbeat_s: float = Field(default=5.0, ge=0.05, le=5.0)
    drain_s: float = Field(default=2.0, ge=0.0, le=60.0)
    stall_s: float = Field(default=30.0, ge=0.5, le=600.0)

    @classmethod
    def load(cls) -> Self:
        """Read the environment, and the YAML file that `<prefix>CONFIG` names, if it does.

        Raises:
            SettingsError: an unknown key, or a value that does not fit; names each.
        """
        prefix = str(cls.model_config["env_prefix"])
        known = {f"{prefix}{name}".upper() for name in cls.model_fields} | {f"{prefix}CONFIG"}
        unknown = sorted(key for key in os.environ if key.startswith(prefix) and key not in known)
        if unknown:
            raise SettingsError(f"unknown setting in the environment: {', '.join(unknown)}; known: {_listed(known)}")
        try:
            return cls()
        except ValidationError as error:
            problems = (
                f"{prefix}{'.'.join(map(str, item['loc'])).upper()}: {item['msg']} (got {item['input']!r})"
                for item in error.errors()
            )
            raise SettingsError("\n".join(problems)) from None
        except (OSError, ValueError) as error:
            raise SettingsError(f"{prefix}CONFIG: {error}") from error

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
            if not Path(path).is_file():
                raise SettingsError(f"{cls.model_config['env_prefix']}CONFIG: no such file: {path}")
            found.append(YamlConfigSettingsSource(settings_cls, yaml_file=path))
        return tuple(found)


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names))

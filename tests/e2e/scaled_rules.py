"""The real rules with shorter times: every `for` and every range scaled, so that an alert takes seconds."""

import re
from pathlib import Path
from typing import Any

import yaml

_DURATION = re.compile(r"^(\d+)([smh])$")
_RANGE = re.compile(r"\[(\d+[smh])\]")
_UNITS_S = {"s": 1, "m": 60, "h": 3600}


def scaled(rules: dict[str, Any], factor: float) -> dict[str, Any]:
    """Return the rules with their durations multiplied; thresholds, which are compared with seconds, stay."""
    groups = [group | {"rules": [_scaled_rule(rule, factor) for rule in group["rules"]]} for group in rules["groups"]]
    return {"groups": groups}


def scaled_duration(text: str, factor: float) -> str:
    """Return a duration such as `5m`, multiplied, in milliseconds."""
    match = _DURATION.match(text)
    if match is None:
        raise ValueError(f"the duration {text!r} is not a whole number with a unit s, m or h")
    return f"{round(int(match[1]) * _UNITS_S[match[2]] * factor * 1000)}ms"


def write_config(directory: Path, rules: Path, factor: float, interval: str, ports: dict[str, int]) -> Path:
    """Write the scaled rules and a configuration that scrapes these ports by job; return its path."""
    (directory / "rules.yaml").write_text(yaml.safe_dump(scaled(yaml.safe_load(rules.read_text()), factor)))
    jobs = [
        {"job_name": job, "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]} for job, port in sorted(ports.items())
    ]
    times = {"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval}
    config = directory / "prometheus.yaml"
    config.write_text(yaml.safe_dump({"global": times, "rule_files": ["rules.yaml"], "scrape_configs": jobs}))
    return config


def _scaled_rule(rule: dict[str, Any], factor: float) -> dict[str, Any]:
    expr = _RANGE.sub(lambda found: f"[{scaled_duration(found[1], factor)}]", rule["expr"])
    times = {"for": scaled_duration(rule["for"], factor)} if "for" in rule else {}
    return rule | times | {"expr": expr}

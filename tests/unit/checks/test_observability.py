import json
import re
import shutil
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from checks.observability import (
    DASHBOARDS,
    METRICS,
    ROOT,
    RULES,
    RUNBOOK,
    alerts,
    known_metrics,
    metric_names,
    problems,
)
from cli.local_mesh.options import SERVICES
from cli.local_mesh.ports import DEFAULT_PORTS

BOARDS = sorted((ROOT / DASHBOARDS).glob("*.json"))
OBSERVABILITY = ("jaeger", "prometheus", "grafana")


def read_yaml(path: str) -> Any:
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("qiki_service_serving == 0", {"qiki_service_serving"}),
        ('up{job=~"sim|radar"} == 0 and on (job, instance) a_b', {"up", "a_b"}),
        ("sum by (le, job) (rate(x_bucket[5m])) / 1e3", {"x_bucket"}),
        ("sum(rate(x_total[$__rate_interval])) by (code) or vector(0)", {"x_total"}),
        ("a / on (feed) group_left (reader) b offset 5m > bool 0.8", {"a", "b"}),
        ('a{label="qiki_text (not_a_metric)"} unless on () max(b)', {"a", "b"}),
        ("histogram_quantile(0.95, sum without (le) (x_bucket))", {"x_bucket"}),
        ("count(up == 0) > -Inf", {"up"}),
    ],
)
def test_the_metrics_of_an_expression_are_found(expression: str, names: set[str]) -> None:
    assert metric_names(expression) == names


def test_a_histogram_has_three_kinds_of_samples_and_none_of_its_own_name() -> None:
    known = known_metrics(
        "| `qiki_x_seconds` | histogram | `a` | seconds | X. | all |\n| `qiki_y` | gauge |  |  | Y. | all |\n"
    )
    assert {"qiki_x_seconds_bucket", "qiki_x_seconds_sum", "qiki_x_seconds_count", "qiki_y"} <= known
    assert not {"qiki_x_seconds", "qiki_y_sum"} & known


def test_every_metric_of_the_rules_and_dashboards_exists_and_every_alert_has_its_paragraph() -> None:
    assert list(problems()) == []


@pytest.mark.parametrize(
    ("path", "old", "new", "problem"),
    [
        (RULES, "qiki_service_serving == 0", "qiki_serving == 0", "the metric qiki_serving is not in docs/metrics.md"),
        (
            f"{DASHBOARDS}/audit.json",
            "qiki_registrar_log_bytes",
            "qiki_log_bytes",
            "the metric qiki_log_bytes is not in",
        ),
        (
            METRICS,
            "| `qiki_bridge_connected` |",
            "| `qiki_bridge_linked` |",
            "the metric qiki_bridge_connected is not in",
        ),
        (RUNBOOK, "### CursorLost\n", "", "write a paragraph for the alert CursorLost"),
        (RUNBOOK, "### CursorLost\n", "### CursorLost\n\n### CursorFound\n", "there is no alert CursorFound"),
        (
            RULES,
            "docs/alerts.md#cursorlost",
            "docs/alerts.md#cursor",
            "CursorLost: runbook_url is docs/alerts.md#cursor,",
        ),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, path: str, old: str, new: str, problem: str) -> None:
    for each in (RULES, METRICS, RUNBOOK, DASHBOARDS):
        (tmp_path / each).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (ROOT / each).is_dir() else shutil.copy
        copy(ROOT / each, tmp_path / each)
    text = (tmp_path / path).read_text(encoding="utf-8")
    assert old in text
    (tmp_path / path).write_text(text.replace(old, new), encoding="utf-8")
    found = list(problems(tmp_path))
    assert found
    assert all(problem in each for each in found)


def test_every_alert_is_tested_to_be_silent_to_fire_and_to_resolve() -> None:
    checked: dict[str, list[bool]] = {}
    for test in read_yaml("deploy/prometheus/rules_test.yaml")["tests"]:
        for check in test["alert_rule_test"]:
            checked.setdefault(check["alertname"], []).append(bool(check["exp_alerts"]))
    names = {rule["alert"] for rule in alerts(read_yaml(RULES))}
    assert checked.keys() == names
    assert {name for name, fires in checked.items() if fires[:3] != [False, True, False]} == set()


@pytest.mark.parametrize("path", BOARDS, ids=lambda path: path.stem)
def test_a_dashboard_is_complete_and_its_panels_do_not_overlap(path: Path) -> None:
    board = json.loads(path.read_text(encoding="utf-8"))
    sources = {
        source["uid"] for source in read_yaml("deploy/grafana/provisioning/datasources/qiki.yaml")["datasources"]
    }
    assert board["uid"] == f"qiki-{path.stem}"
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    for panel in board["panels"]:
        assert panel["title"]
        assert panel["description"]
        assert panel["targets"]
        assert {panel["datasource"]["uid"], *(target["datasource"]["uid"] for target in panel["targets"])} <= sources
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
    for one, other in combinations((panel["gridPos"] for panel in board["panels"]), 2):
        apart_x = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        apart_y = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert apart_x or apart_y


def test_prometheus_scrapes_every_service_at_its_port() -> None:
    scraped = {
        job["job_name"]: job["static_configs"][0]["targets"]
        for job in read_yaml("deploy/prometheus/prometheus.yaml")["scrape_configs"]
    }
    assert scraped == {name: [f"{name}:{DEFAULT_PORTS[f'{name}-http']}"] for name in SERVICES}


def test_observability_is_a_profile_of_pinned_images_on_the_loopback_only() -> None:
    services = read_yaml("compose.yaml")["services"]
    assert {name for name, service in services.items() if "profiles" in service} == set(OBSERVABILITY)
    for name in OBSERVABILITY:
        service = services[name]
        assert service["profiles"] == ["observability"]
        assert re.fullmatch(rf"\$\{{{name.upper()}_IMAGE:-[a-z/-]+:v?\d+\.\d+\.\d+\}}", service["image"])
        assert all(port.startswith("127.0.0.1:${QIKI_PORT_") for port in service["ports"])
    assert services["grafana"]["environment"]["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"

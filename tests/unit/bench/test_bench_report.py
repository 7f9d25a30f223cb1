"""The report of the tracker's benchmark: measurements with the settings they were made with."""

import json
from dataclasses import replace

import numpy as np
import pytest

from bench.tracker.measurements.accuracy import Result as AccuracyResult
from bench.tracker.measurements.accuracy import Trial, run
from bench.tracker.measurements.evaluation import score
from bench.tracker.measurements.over_grpc import OverGrpc, Sustained
from bench.tracker.measurements.recorded import Result as RecordedResult
from bench.tracker.measurements.speed import Comparison, Cost
from bench.tracker.reports.findings import Findings
from bench.tracker.reports.goals import goals
from bench.tracker.reports.json_report import to_json


@pytest.mark.parametrize(("share", "met"), [(1.149, True), (1.151, False)])
def test_the_goal_beside_the_oracle_is_met_up_to_its_limit(share: float, met: bool) -> None:
    oracle = score([run(Trial("oracle", "cv", 1, targets=20, scans=17))])
    ours = replace(oracle, gospa=share * oracle.gospa)
    findings = Findings(accuracy=[AccuracyResult("ours", "cv", ours), AccuracyResult("oracle", "cv", oracle)])
    goal = next(each for each in goals(findings) if each.name == "GOSPA by the oracle's, cv")
    assert (goal.required, goal.measured, goal.met) == ("<= 1.15", f"{share:.3f}", met)


def test_findings_are_written_as_json_with_the_goals_they_meet_and_miss() -> None:
    few = score([run(Trial("oracle", "cv", seed, targets=20, scans=17)) for seed in (1, 2)])
    mean = np.float64(100.0)
    findings = Findings(
        comparisons=[
            Comparison(Cost(100, mean / 100.0, 1.0, 0.9, 1.1, 98), Cost(100, np.float64(149.0), 149.0, 1.0, 1.0, 1))
        ],
        grpc=[OverGrpc(targets=1_000, tracks=990, scans=9, update_ms=2.0, grpc_ms=np.float64(4.0))],
        sustained=[Sustained(100, 900, 100.0, np.float64(99.5), median_ms=3.0, worst_ms=9.0)],
        accuracy=[AccuracyResult("ours", "cv", few), AccuracyResult("oracle", "cv", few)],
        recorded=[RecordedResult("2D", mean * 1.2, mean, np.zeros(3), np.ones(3), 1.0, 20.0)],
        seeds={"accuracy": (1, 2)},
    )
    written = json.loads(json.dumps(to_json(findings)))
    met = {goal["name"]: goal["met"] for goal in written["goals"]}
    assert met.pop("faster than Stone Soup, N = 100") is False
    assert met["TrackFrames by its update, N = 1,000"] is True
    assert written["recorded"][0]["ratio"] == 1.2
    assert len(written["accuracy"][0]["score"]["history"]) == 17

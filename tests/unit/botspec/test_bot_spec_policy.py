"""The identity policy and the guard rules of a BotSpec: their validation and their conversion for the tracker."""

from pathlib import Path

import pytest

from botspec.example import example_bot_spec
from botspec.model import BotSpec, load_bot_spec
from botspec.yaml_source import SpecError
from declared import minimal_text
from svc_tracker.config import to_rules
from svc_tracker.domain.guard.guard import Guard
from svc_tracker.domain.guard.rules import GuardKind, GuardRule
from svc_tracker.domain.identity.policy import FriendFoe, ObjectType

HEAD = minimal_text()


def load(tmp_path: Path, text: str) -> BotSpec:
    path = tmp_path / "bot.yaml"
    path.write_text(HEAD + text)
    return load_bot_spec(path).spec


def refusal(tmp_path: Path, text: str) -> str:
    with pytest.raises(SpecError) as caught:
        load(tmp_path, text)
    (problem,) = caught.value.problems
    return f"{problem.where}: {problem.message}"


def test_the_examples_rules_are_the_trackers() -> None:
    rules = to_rules(load_bot_spec(example_bot_spec()).spec)
    assert [rule.kind for rule in Guard(rules.guard).rules] == [
        GuardKind.CLOSEST_POINT_OF_APPROACH,
        GuardKind.SPOOFING_DETECTED,
        GuardKind.FOE_TRANSPONDER_OFF_APPROACH,
        GuardKind.UNKNOWN_CONTACT_CLOSE,
    ]
    known = rules.identity.known
    assert known.iff[known.index_of("QK-AIR-7")] == FriendFoe.FRIEND
    assert known.object_type[known.index_of("QK-DRN-E")] == ObjectType.DRONE
    assert known.iff[known.index_of("RAIDER-9")] == FriendFoe.FOE
    assert known.iff[known.index_of("QK-AIR-70")] == FriendFoe.UNSPECIFIED


def test_without_a_policy_there_are_no_known_platforms_and_no_alarms(tmp_path: Path) -> None:
    rules = to_rules(load(tmp_path, ""))
    assert (rules.identity.platforms, rules.guard) == ((), ())


def test_every_number_reaches_the_tracker(tmp_path: Path) -> None:
    text = (
        "identity_policy: {confirm_replies: 9, confirm_time_s: 1.5, max_identity_age_s: 7, spoofer: UNKNOWN}\n"
        "guard_rules:\n  - {name: near, kind: CLOSEST_POINT_OF_APPROACH, severity: CRITICAL, distance_m: 5,"
        " within_s: 6, probability: 0.7, min_duration_s: 1, cooldown_s: 2, hysteresis: 0.3}\n"
    )
    rules = to_rules(load(tmp_path, text))
    assert (rules.identity.confirm_replies, rules.identity.confirm_time_s) == (9, 1.5)
    assert (rules.identity.max_identity_age_s, rules.identity.spoofer) == (7.0, FriendFoe.UNKNOWN)
    assert rules.guard == (
        GuardRule(
            name="near",
            kind=GuardKind.CLOSEST_POINT_OF_APPROACH,
            severity=4,
            min_duration_s=1.0,
            cooldown_s=2.0,
            hysteresis=0.3,
            distance_m=5.0,
            within_s=6.0,
            probability=0.7,
        ),
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "identity_policy: {friends: [{identity: A}]}",
            "identity_policy.friends[0].max_speed_mps: required, and missing",
        ),
        (
            "identity_policy: {friends: [{identity: '*', max_speed_mps: 5}]}",
            "identity_policy.friends[0].identity: String should match pattern",
        ),
        (
            "identity_policy: {foes: [{identity: 'A*B'}]}",
            "identity_policy.foes[0].identity: String should match pattern",
        ),
        (
            "identity_policy: {friends: [{identity: A, max_speed_mps: 5, min_speed_mps: 5}]}",
            "identity_policy.friends[0].min_speed_mps: should be less than max_speed_mps, which is 5.0",
        ),
        (
            "identity_policy: {friends: [{identity: A, max_speed_mps: 5}], foes: [{identity: A}]}",
            "identity_policy.foes[0].identity: 'A' is already that of friends[0]",
        ),
        (
            "identity_policy: {confirm_replies: 0}",
            "identity_policy.confirm_replies: should be greater than or equal to 1",
        ),
        ("identity_policy: {spoofer: FRIEND}", "identity_policy.spoofer: should be 'FOE' or 'UNKNOWN', not 'FRIEND'"),
        ("identity_policy: {confirm_time_s: .nan}", "identity_policy.confirm_time_s: should be a finite number"),
        (
            "guard_rules: [{name: a, kind: SPOOFING}]",
            "guard_rules[0].kind: should be one of 'UNKNOWN_CONTACT_CLOSE',",
        ),
        (
            "guard_rules: [{name: a, kind: UNKNOWN_CONTACT_CLOSE}]",
            "guard_rules[0].range_m: required, and missing",
        ),
        (
            "guard_rules: [{name: a, kind: SPOOFING_DETECTED, range_m: 4}]",
            "guard_rules[0].range_m: unknown key",
        ),
        (
            "guard_rules: [{name: a, kind: SPOOFING_DETECTED}, {name: a, kind: SPOOFING_DETECTED}]",
            "guard_rules[1].name: rule 'a' is given twice",
        ),
        ("guard_rules: [{name: A b, kind: SPOOFING_DETECTED}]", "guard_rules[0].name: String should match pattern"),
        (
            "guard_rules: [{name: a, kind: SPOOFING_DETECTED, hysteresis: 1.5}]",
            "guard_rules[0].hysteresis: should be less than or equal to 1",
        ),
    ],
)
def test_a_problem_is_reported_with_its_key(tmp_path: Path, text: str, expected: str) -> None:
    assert refusal(tmp_path, text).startswith(expected)

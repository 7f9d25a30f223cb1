"""The aimed campaign's cases: the possible cases, a reduction that omits no combination, and their chains."""

from itertools import combinations

import pytest

from chaos.aimed.campaign import chains
from chaos.aimed.cases import ALL, PROCESSES, Bridge, Case, Occurrence, campaign, possible, required
from chaos.aimed.pairwise import cover

CAMPAIGN = campaign()


def pairs(case: Case) -> set[object]:
    return set(combinations(enumerate(((case.process, case.point), *case[2:])), 2))


def test_every_pair_of_values_that_can_meet_meets_in_a_case() -> None:
    wanted = {pair for case in possible() for pair in pairs(case)}
    assert {pair for case in CAMPAIGN for pair in pairs(case)} == wanted


def test_the_same_campaign_is_drawn_every_time_without_a_case_twice() -> None:
    assert campaign() == CAMPAIGN
    assert len(set(CAMPAIGN)) == len(CAMPAIGN) < 250


def test_the_required_cases_are_possible_and_come_first() -> None:
    assert set(required()) <= set(possible())
    assert CAMPAIGN[: len(required())] == required()


def test_when_all_processes_die_the_struck_one_dies_first() -> None:
    for case in CAMPAIGN:
        assert case.killed[0] == case.process
        if case.victims == ALL:
            assert sorted(case.killed) == sorted(PROCESSES)


def test_no_case_waits_for_a_confirmation_of_a_stopped_bridge() -> None:
    for case in possible():
        if case.bridge is Bridge.STOPPED:
            assert case.process != "bridge"
            assert not case.point.startswith("confirmation.")


@pytest.mark.parametrize("strength", [1, 2, 3])
def test_a_cover_holds_every_combination_of_its_strength(strength: int) -> None:
    rows = [(a, b, c, d) for a in range(4) for b in range(3) for c in range(3) for d in range(2) if a + b != 5]
    chosen = cover(rows, strength)
    for columns in combinations(range(4), strength):
        of_all = {tuple(row[column] for column in columns) for row in rows}
        assert {tuple(row[column] for column in columns) for row in chosen} == of_all
    assert len(chosen) < len(rows)


def test_a_cover_goes_on_from_the_rows_it_is_given() -> None:
    rows = [(a, b) for a in range(3) for b in range(3)]
    assert cover(rows, 2, rows[4:]) == rows[4:] + rows[:4]


def test_chains_hold_every_case_once_and_each_begins_with_the_one_that_needs_a_new_run() -> None:
    made = chains(CAMPAIGN)
    assert sorted(map(str, (case for chain in made for case in chain))) == sorted(map(str, CAMPAIGN))
    for chain in made:
        assert len({(case.retention, case.is_steered) for case in chain}) == 1
        assert not any(case.needs_new_run for case in chain[1:])


def test_only_the_first_checkpoint_of_a_run_needs_a_new_one() -> None:
    needing = [case for case in possible() if case.needs_new_run]
    assert {case.process for case in needing} == {"tracker"}
    assert {case.occurrence for case in needing} == {Occurrence.FIRST}

"""A few mutations of the catalogue with every run of the tests: `make mutate` tries all."""

import asyncio

import pytest

from checks.mutation.__main__ import ROOT
from checks.mutation.catalogue import Mutation, load
from checks.mutation.trial import Tree, Verdict

QUICK = [mutation for mutation in load() if mutation.quick]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    return Tree.copy(ROOT, tmp_path_factory.mktemp("mutation") / "tree")


def test_some_mutations_are_quick() -> None:
    assert len(QUICK) >= 5


@pytest.mark.parametrize("mutation", QUICK, ids=lambda mutation: str(mutation.name))
def test_a_broken_promise_makes_its_tests_fail(tree: Tree, mutation: Mutation) -> None:
    outcome = asyncio.run(tree.try_mutation(mutation))
    assert outcome.verdict is Verdict.KILLED, f"{mutation.breaks} {outcome.detail}"

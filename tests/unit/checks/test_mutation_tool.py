"""The tool behind `make mutate`: its rules for a killed mutation, and its refusal of stale or foreign copies."""

import asyncio
from pathlib import Path

import pytest

from checks.mutation.__main__ import ROOT
from checks.mutation.catalogue import CatalogueError, Mutation, StaleError, load, problem, select
from checks.mutation.plugin import module_name
from checks.mutation.report import closing, is_good
from checks.mutation.trial import Outcome, Tree, Verdict

SOURCE = "LIMIT = 10\n\n\ndef within(number):\n    return number <= LIMIT\n"
TESTS = """
import threading

from pkg.mod import within

def test_the_limit_is_within():
    assert within(10)

def test_five_is_within():
    assert within(5)

def test_says_nothing():
    assert within is not None

def test_waits_for_ever_where_five_is_beyond():
    if not within(5):
        threading.Event().wait()
"""
ENTRY = """
[[file]]
path = "pkg/mod.py"
tests = ["tests/test_mod.py"]

[[file.mutation]]
name = "a-name"
breaks = "The limit is within."
old = "<="
new = "<"
"""


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """A tree with one module, the tests of it, and the tool itself."""
    source = tmp_path / "source"
    for name, text in (("pkg/__init__.py", ""), ("pkg/mod.py", SOURCE), ("tests/test_mod.py", TESTS)):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(text)
    (source / "pytest.ini").write_text("[pytest]\n")
    (source / "checks").symlink_to(ROOT / "checks")
    return Tree.copy(source, tmp_path / "copy", limit_s=30.0)


def mutation(old: str = "<=", new: str = "<", *, node: str = "", path: str = "pkg/mod.py") -> Mutation:
    return Mutation("a-name", path, "The limit is within.", old, new, (f"tests/test_mod.py{node}",))


def tried(tree: Tree, one: Mutation) -> Outcome:
    return asyncio.run(tree.try_mutation(one))


def outcomes(*verdicts: Verdict) -> list[Outcome]:
    return [Outcome(mutation(), verdict, "", 1.0) for verdict in verdicts]


# -- the catalogue -----------------------------------------------------------------------------------------------------


def test_every_mutation_of_the_catalogue_applies_to_the_code_and_names_existing_tests() -> None:
    assert [f"{one.name}: {why}" for one in load() if (why := problem(ROOT, one))] == []


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("==", "<", "occurs 0 times"),
        ("number", "other", "occurs 2 times"),
        ("<=", "<= (", "does not parse"),
        ("<= LIMIT", "<= (LIMIT)", "changes nothing"),
    ],
)
def test_a_mutation_that_does_not_fit_the_source_is_stale(old: str, new: str, why: str) -> None:
    with pytest.raises(StaleError, match=why):
        mutation(old, new).mutate(SOURCE)


@pytest.mark.parametrize("node", ["::test_of_nothing", "::test_the_limit_is_within::inner"])
def test_a_mutation_without_its_test_is_stale(tree: Tree, tmp_path: Path, node: str) -> None:
    assert "has no test" in problem(tmp_path / "copy", mutation(node=node))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (ENTRY.replace('breaks = "The limit is within."\n', ""), "lacks breaks"),
        (ENTRY + "slow = true\n", "unknown keys: slow"),
        (ENTRY.replace("a-name", "A name"), "is not a name"),
        (ENTRY.replace('["tests/test_mod.py"]', "[]"), "names no tests"),
        (ENTRY + ENTRY, "given twice: a-name"),
        ("[[file]", "other.toml"),
    ],
)
def test_an_entry_that_cannot_be_used_is_refused_by_name(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "other.toml").write_text(text)
    with pytest.raises(CatalogueError, match=why):
        load(tmp_path)


def test_mutations_are_chosen_by_name_or_by_file(tmp_path: Path) -> None:
    (tmp_path / "one.toml").write_text(ENTRY)
    (one,) = load(tmp_path)
    for pattern in ("", "a-name", "a-*", "pkg/*"):
        assert select([one], pattern) == (one,)
    with pytest.raises(CatalogueError, match="no mutation matches"):
        select([one], "b-*")


# -- a trial -----------------------------------------------------------------------------------------------------------


def test_a_mutation_is_killed_by_a_test_that_fails_and_by_nothing_else(tree: Tree) -> None:
    assert tried(tree, mutation()).detail == "tests/test_mod.py::test_the_limit_is_within"
    assert tried(tree, mutation(node="::test_says_nothing")).verdict is Verdict.SURVIVED
    assert tried(tree, mutation("LIMIT = 10", "import nothing_of_this_name")).verdict is Verdict.BROKEN
    assert tried(tree, mutation("==")).verdict is Verdict.STALE


def test_tests_that_do_not_end_kill_nothing(tree: Tree, tmp_path: Path) -> None:
    impatient = Tree(tmp_path / "copy", limit_s=5.0)
    hanging = mutation(new=">", node="::test_waits_for_ever_where_five_is_beyond")
    assert tried(impatient, hanging).verdict is Verdict.TIMED_OUT


def test_after_a_trial_the_tree_is_restored_and_no_outdated_byte_code_is_run(tree: Tree, tmp_path: Path) -> None:
    for _ in range(2):
        assert tried(tree, mutation(new=">=")).verdict is Verdict.KILLED, "of the same length as the original"
        assert (tmp_path / "copy" / "pkg" / "mod.py").read_text() == SOURCE
        assert asyncio.run(tree.check_tests(["tests/test_mod.py::test_the_limit_is_within"])) == ""


def test_if_another_copy_would_be_imported_the_mutation_gets_no_verdict(tree: Tree, tmp_path: Path) -> None:
    hidden = tmp_path / "copy" / "sdk" / "pkg" / "mod.py"
    hidden.parent.mkdir(parents=True)
    hidden.write_text(SOURCE)
    outcome = tried(tree, mutation(path="sdk/pkg/mod.py"))
    assert outcome.verdict is Verdict.BROKEN
    assert "pkg.mod would be imported from" in outcome.detail


def test_tests_that_fail_without_a_mutation_are_shown(tree: Tree, tmp_path: Path) -> None:
    (tmp_path / "copy" / "pkg" / "mod.py").write_text(SOURCE.replace("10", "9"))
    assert "test_the_limit_is_within" in asyncio.run(tree.check_tests(["tests/test_mod.py"]))


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("mesh/feeds/ring.py", "mesh.feeds.ring"),
        ("sdk/qiki_sdk/stream.py", "qiki_sdk.stream"),
        ("svc_tracker/wire/__init__.py", "svc_tracker.wire"),
    ],
)
def test_a_file_has_the_name_under_which_it_is_imported(path: str, name: str) -> None:
    assert module_name(Path(path)) == name


# -- the report --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "good"),
    [
        (outcomes(*[Verdict.KILLED] * 19, Verdict.SURVIVED), True),
        (outcomes(*[Verdict.KILLED] * 18, Verdict.SURVIVED), False),
        (outcomes(*[Verdict.KILLED] * 18, Verdict.TIMED_OUT), False),
        (outcomes(*[Verdict.KILLED] * 99, Verdict.STALE), False),
        (outcomes(*[Verdict.KILLED] * 99, Verdict.BROKEN), False),
        ([], False),
    ],
)
def test_95_of_100_must_be_killed_and_none_be_stale_or_broken(found: list[Outcome], good: bool) -> None:
    assert is_good(found) is good
    assert ("not good" in closing(found)) is not good


def test_a_surviving_mutation_is_shown_in_full() -> None:
    shown = closing(outcomes(Verdict.KILLED, Verdict.SURVIVED))
    for text in ("survived: a-name in pkg/mod.py", "breaks: The limit is within.", "- <=", "+ <", "tests/test_mod.py"):
        assert text in shown

from pathlib import Path

import pytest

from checks.words import hits, load, main

LETTERS = r"(?i)\bthings?\b"


@pytest.mark.parametrize(
    ("line", "unwanted"),
    [
        ('"""What a track is."""', '"""What'),
        ("how many things there are", "things"),
        ("the reader is told of a gap", "told"),
        ("def refold_to(self) -> None:", "refold"),
        ("self.held_by = reader", "held_by"),
        ("class Carrier:", "Carrier"),
    ],
)
def test_an_unwanted_word_is_found_with_its_place_and_a_better_one(line: str, unwanted: str) -> None:
    (hit,) = hits("mesh/a.py", f"first\n{line}\n", load())
    assert (hit.path, hit.line, hit.text) == ("mesh/a.py", 2, unwanted)
    assert hit.instead


@pytest.mark.parametrize(
    "line",
    ["nothing", "something", "untold", "a threshold", "a dead letter", "withheld by the stream's end", "workspace"],
)
def test_a_word_that_merely_contains_one_is_allowed(line: str) -> None:
    assert list(hits("mesh/a.py", line, load())) == []


def word_list(path: Path, exceptions: str) -> Path:
    path.write_text(
        f"words:\n  - {{pattern: '{LETTERS}', instead: target}}\nexceptions:{exceptions}\n", encoding="utf-8"
    )
    return path


def test_an_exception_holds_for_its_path_alone(tmp_path: Path) -> None:
    exception = f"\n  - path: mesh/a.py\n    pattern: '{LETTERS}'\n    reason: a quotation"
    words = load(word_list(tmp_path / "words.yaml", exception))
    assert list(hits("mesh/a.py", "a thing", words)) == []
    assert len(list(hits("mesh/b.py", "a thing", words))) == 1


@pytest.mark.parametrize(
    ("exception", "problem"),
    [
        (f"\n  - path: mesh/a.py\n    pattern: '{LETTERS}'", "gives no reason"),
        ("\n  - path: mesh/a.py\n    pattern: 'stuff'\n    reason: it is fine", "unknown patterns: stuff"),
    ],
)
def test_an_exception_without_a_reason_or_a_word_is_refused(tmp_path: Path, exception: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        load(word_list(tmp_path / "words.yaml", exception))


def test_this_repository_has_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0, capsys.readouterr().out

from pathlib import Path

from checks.rooms import MAX_MODULES, crowded


def write(folder: Path, count: int) -> None:
    folder.mkdir(parents=True)
    for number in range(count):
        (folder / f"module_{number}.py").touch()


def test_a_package_with_too_many_modules_at_one_level_is_named(tmp_path: Path) -> None:
    write(tmp_path / "good", MAX_MODULES)
    write(tmp_path / "good" / "inner", MAX_MODULES)
    assert crowded(tmp_path, ["good"], {}) == []
    write(tmp_path / "bad" / "inner", MAX_MODULES + 1)
    (problem,) = crowded(tmp_path, ["good", "bad"], {})
    assert problem.startswith("bad/inner: 16 modules")


def test_folders_count_among_the_entries_of_a_package_and_its_own_files_do_not(tmp_path: Path) -> None:
    write(tmp_path / "door", 2)
    (tmp_path / "door" / "room").mkdir()
    (tmp_path / "door" / "__init__.py").touch()
    assert crowded(tmp_path, ["door"], {"door": 3}) == []
    assert crowded(tmp_path, ["door"], {"door": 2}) == ["door: 3 entries, at most 2: group them by role"]

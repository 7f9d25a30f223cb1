import dataclasses
import json
from pathlib import Path

import pytest

from damage import damaged
from mesh.serving.errors import StartError
from mesh.storage.files import read_checked, write_checked
from mesh.storage.platform_pin import platform_digest
from mesh.storage.runs import RunInputs, code_digest, load_or_create

INPUTS = RunInputs(
    seed=7,
    bot_id="qiki-01",
    tick_ns=50_000_000,
    last_tick=2_400,
    scenario_digest="5" * 64,
    bot_spec_digest="b" * 64,
    code_digest="c" * 64,
)


def test_a_created_run_is_loaded_again(tmp_path: Path) -> None:
    run = load_or_create(tmp_path, INPUTS)
    assert load_or_create(tmp_path, INPUTS) == run


def test_each_empty_directory_gets_a_run_of_its_own(tmp_path: Path) -> None:
    one, other = load_or_create(tmp_path / "one", INPUTS), load_or_create(tmp_path / "other", INPUTS)
    assert one.run_id != other.run_id
    assert one.created.ToNanoseconds() < other.created.ToNanoseconds()


def test_a_run_reports_all_its_inputs(tmp_path: Path) -> None:
    run = load_or_create(tmp_path, INPUTS)
    for field in ("seed", "bot_id", "tick_ns", "last_tick", "scenario_digest", "bot_spec_digest", "code_digest"):
        assert getattr(run, field) == getattr(INPUTS, field)
    assert run.platform_digest == platform_digest()
    assert run.start_time.nanos == 0
    assert run.start_time.seconds == run.created.seconds


def test_a_run_keeps_the_largest_seed_and_an_exact_start(tmp_path: Path) -> None:
    inputs = dataclasses.replace(INPUTS, seed=2**64 - 1, start_ns=1_767_225_600_123_456_789)
    load_or_create(tmp_path, inputs)
    found = load_or_create(tmp_path, inputs)
    assert (found.seed, found.start_time.ToNanoseconds()) == (2**64 - 1, 1_767_225_600_123_456_789)


def test_a_run_takes_a_given_id_and_start_time(tmp_path: Path) -> None:
    run_id = "0b6e1c1e-0000-4000-8000-0000000000aa"
    inputs = dataclasses.replace(INPUTS, run_id=run_id, start_ns=0)
    run = load_or_create(tmp_path, inputs)
    assert (run.run_id, run.start_time.ToNanoseconds()) == (run_id, 0)
    assert load_or_create(tmp_path, inputs) == run
    assert load_or_create(tmp_path, INPUTS) == run, "without a given id, the existing run continues"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("seed", 8),
        ("bot_id", "qiki-02"),
        ("tick_ns", 1),
        ("last_tick", 0),
        ("scenario_digest", "6" * 64),
        ("bot_spec_digest", ""),
        ("code_digest", "d" * 64),
        ("run_id", "0b6e1c1e-0000-4000-8000-0000000000aa"),
        ("start_ns", 1),
    ],
)
def test_a_run_with_other_inputs_is_refused_and_the_difference_is_named(
    tmp_path: Path, field: str, value: object
) -> None:
    run = load_or_create(tmp_path, INPUTS)
    name = "start_time" if field == "start_ns" else field
    with pytest.raises(StartError) as caught:
        load_or_create(tmp_path, dataclasses.replace(INPUTS, **{field: value}))  # type: ignore[arg-type]
    assert str(caught.value).startswith(f"{tmp_path} holds run {run.run_id}, made with another {name}; ")
    assert load_or_create(tmp_path, INPUTS) == run, "the refusal changed nothing"


def test_a_run_of_another_platform_is_refused(tmp_path: Path) -> None:
    load_or_create(tmp_path, INPUTS)
    change(tmp_path, {"platform_digest": "0"})
    with pytest.raises(StartError, match="another platform_digest"):
        load_or_create(tmp_path, INPUTS)


def change(state_dir: Path, fields: dict[str, object]) -> None:
    """Rewrite the run's file with these fields, and with its checksum."""
    path = state_dir / "run.json"
    content = json.loads(read_checked(path, "") or b"") | fields
    write_checked(path, json.dumps(content).encode())


def test_damage_to_any_byte_is_refused_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mesh.storage.runs.platform_digest", lambda: "p")  # slow, and called thousands of times
    load_or_create(tmp_path, INPUTS)
    path = tmp_path / "run.json"
    for content in damaged(path.read_bytes()):
        path.write_bytes(content)
        with pytest.raises(
            StartError, match=r"run\.json is damaged: .*; put back an undamaged copy; .*begin a new run"
        ):
            load_or_create(tmp_path, INPUTS)


def test_a_file_of_the_previous_format_is_refused(tmp_path: Path) -> None:
    load_or_create(tmp_path, INPUTS)
    path = tmp_path / "run.json"
    path.write_bytes(read_checked(path, "") or b"")
    with pytest.raises(StartError, match="does not end in the line with its checksum"):
        load_or_create(tmp_path, INPUTS)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"null", b"[]x", b"\xff\xfe\x00", b'{"seed": "NaN"}', b'{"sede": 1}', b"{}"]
)
def test_a_file_that_holds_no_run_is_refused_with_the_remedy(tmp_path: Path, content: bytes) -> None:
    write_checked(tmp_path / "run.json", content)
    with pytest.raises(StartError, match=r"(?s)run\.json holds no run .*; put back an undamaged copy"):
        load_or_create(tmp_path, INPUTS)


def test_a_new_runs_state_is_prepared_once_before_the_run_file_exists(tmp_path: Path) -> None:
    found: list[tuple[str, bool]] = []
    for _start in range(2):
        run = load_or_create(tmp_path, INPUTS, lambda new: found.append((new.run_id, (tmp_path / "run.json").exists())))
    assert found == [(run.run_id, False)]


@pytest.mark.parametrize("fields", [{"run_id": "run-1"}, {"run_id": ""}, {"created": None}, {"start_time": None}])
def test_a_run_file_without_the_fields_that_identify_events_is_refused(
    tmp_path: Path, fields: dict[str, object]
) -> None:
    load_or_create(tmp_path, INPUTS)
    change(tmp_path, fields)
    with pytest.raises(StartError, match="holds no run"):
        load_or_create(tmp_path, INPUTS)


def test_a_state_directory_that_is_a_file_is_refused_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "state"
    path.write_text("")
    for state_dir in (path, path / "below"):
        with pytest.raises(StartError, match=f"the state directory {state_dir} cannot be used: "):
            load_or_create(state_dir, INPUTS)


def test_a_run_file_that_is_a_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run.json").mkdir()
    with pytest.raises(StartError, match=r"run\.json cannot be read: Is a directory"):
        load_or_create(tmp_path, INPUTS)


def test_the_digest_of_the_code_covers_names_and_contents(tmp_path: Path) -> None:
    package = tmp_path / "package"
    (package / "inner").mkdir(parents=True)
    module = package / "inner" / "module.py"
    module.write_text("x = 1\n")
    (package / "notes.txt").write_text("left out")
    before = code_digest([package])
    assert len(before) == 64
    (package / "notes.txt").write_text("changed")
    assert code_digest([package]) == before
    module.write_text("x = 2\n")
    assert code_digest([package]) != before
    module.write_text("x = 1\n")
    assert code_digest([package]) == before
    module.rename(package / "module.py")
    assert code_digest([package]) != before

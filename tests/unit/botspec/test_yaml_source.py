import hashlib
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field, ValidationError, model_validator

from botspec import yaml_source
from botspec.base import Spec, refuse
from botspec.yaml_source import SpecError


class Dog(Spec):
    kind: Literal["dog"]
    weight_kg: float


class Cat(Spec):
    kind: Literal["cat"]
    lives: int = 9


class House(Spec):
    name: str
    area_m2: Annotated[float, Field(gt=0)] = 1.0
    pets: tuple[Annotated[Dog | Cat, Field(discriminator="kind")], ...] = ()
    rooms: dict[str, Cat] = Field(default={})

    @model_validator(mode="after")
    def _check(self) -> "House":
        heavy = [number for number, pet in enumerate(self.pets) if isinstance(pet, Dog) and pet.weight_kg > 90]
        refuse("House", [(("pets", number, "weight_kg"), "too heavy for the house") for number in heavy])
        return self


def write(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "house.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def problems(tmp_path: Path, text: str | bytes) -> list[str]:
    path = write(tmp_path, text)
    with pytest.raises(SpecError) as caught:
        yaml_source.validate(House, yaml_source.load(path))
    assert str(caught.value) == "\n".join(str(problem) for problem in caught.value.problems)
    assert all(problem.path == path for problem in caught.value.problems)
    return str(caught.value).replace(str(path), "house.yaml").splitlines()


def test_a_document_is_plain_data_with_the_digest_of_its_bytes(tmp_path: Path) -> None:
    path = write(tmp_path, "name: x\npets:\n  - kind: cat\n")
    document = yaml_source.load(path)
    assert document.data == {"name": "x", "pets": [{"kind": "cat"}]}
    assert document.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert document.path == path


def test_a_line_is_that_of_the_deepest_known_part(tmp_path: Path) -> None:
    document = yaml_source.load(write(tmp_path, "# first\nname: x\npets:\n  - kind: cat\n    lives: 3\n"))
    assert document.line(()) == 2
    assert document.line(("pets",)) == 3
    assert document.line(("pets", 0)) == 4
    assert document.line(("pets", 0, "lives")) == 5
    assert document.line(("pets", 0, "cat", "lives")) == 5
    assert document.line(("pets", 0, "nothing")) == 4
    assert document.line(("nothing", "at", "all")) == 2


def test_plain_values_are_read_by_the_core_schema_of_yaml_1_2(tmp_path: Path) -> None:
    text = "a: on\nb: no\nc: 1e3\nd: 010\ne: 1:30\nf: 2024-02-29\ng: ~\nh: true\ni: -7\nj: <<\nk: '1'\nl: 1_000\n"
    data = yaml_source.load(write(tmp_path, text)).data
    assert data == {
        "a": "on",
        "b": "no",
        "c": 1000.0,
        "d": "010",
        "e": "1:30",
        "f": "2024-02-29",
        "g": None,
        "h": True,
        "i": -7,
        "j": "<<",
        "k": "1",
        "l": "1_000",
    }


def test_a_valid_document_becomes_the_model(tmp_path: Path) -> None:
    path = write(tmp_path, "name: x\npets: [{kind: dog, weight_kg: 30}]\nrooms: {hall: {kind: cat}}\n")
    house = yaml_source.validate(House, yaml_source.load(path))
    assert house == House(name="x", pets=(Dog(kind="dog", weight_kg=30.0),), rooms={"hall": Cat(kind="cat")})


def test_every_problem_has_its_own_line_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = "area_m2: -1\npets:\n  - kind: dog\n  - kind: cat\n    lives: many\nname: 7\n"
    assert problems(tmp_path, text) == [
        "house.yaml:1: area_m2: should be greater than 0, not -1",
        "house.yaml:3: pets[0].weight_kg: required, and missing",
        "house.yaml:5: pets[1].lives: should be a valid integer, not 'many'",
        "house.yaml:6: name: should be text, not 7: put it in quotes",
    ]


def test_an_unknown_key_is_reported_with_the_known_keys_and_a_similar_one(tmp_path: Path) -> None:
    text = "name: x\npets:\n  - kind: dog\n    weight_kg: 3\n    wieght_kg: 4\nrooms:\n  hall: {kind: cat, zzz: 1}\n"
    assert problems(tmp_path, text) == [
        "house.yaml:5: pets[0].wieght_kg: unknown key; did you mean 'weight_kg'? (known keys: kind, weight_kg)",
        "house.yaml:7: rooms.hall.zzz: unknown key (known keys: kind, lives)",
    ]


def test_an_unknown_or_missing_kind_is_reported_at_its_line(tmp_path: Path) -> None:
    assert problems(tmp_path, "name: x\npets:\n  - kind: cow\n  - lives: 2\n") == [
        "house.yaml:3: pets[0].kind: should be one of 'dog', 'cat', not 'cow'",
        "house.yaml:4: pets[1].kind: required, and missing",
    ]


def test_a_check_across_fields_names_its_line(tmp_path: Path) -> None:
    text = "name: x\npets:\n  - kind: cat\n  - kind: dog\n    weight_kg: 91\n"
    assert problems(tmp_path, text) == ["house.yaml:5: pets[1].weight_kg: too heavy for the house"]


@pytest.mark.parametrize("value", [".nan", ".inf", "-.inf", "1e999", "'2'", "true", "null", "[1]", "1_000"])
def test_a_number_that_is_not_finite_is_refused(tmp_path: Path, value: str) -> None:
    (problem,) = problems(tmp_path, f"name: x\narea_m2: {value}\n")
    assert problem.startswith("house.yaml:2: area_m2: should be ")


def test_a_whole_number_too_large_for_a_float_is_refused(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, f"name: x\narea_m2: {'9' * 5000}\n")
    assert problem == "house.yaml:2: not YAML of ours: a number with too many digits"


def test_a_duplicate_key_is_refused_at_any_depth(tmp_path: Path) -> None:
    text = "name: x\nrooms:\n  hall: {kind: cat, kind: cat}\nname: y\n"
    assert problems(tmp_path, text) == [
        "house.yaml:3: key 'kind' is given twice, first in line 3",
        "house.yaml:4: key 'name' is given twice, first in line 1",
    ]


@pytest.mark.parametrize("key", ["1", "true", "[a]", "{a: b}", "~"])
def test_a_key_that_is_no_text_is_refused(tmp_path: Path, key: str) -> None:
    assert problems(tmp_path, f"name: x\n? {key}\n: y\n") == ["house.yaml:2: a key that is no text: put it in quotes"]


@pytest.mark.parametrize("text", ["", "# nothing\n", "- a\n- b\n", "just text\n", "~\n"])
def test_a_top_level_other_than_a_mapping_is_refused(tmp_path: Path, text: str) -> None:
    (problem,) = problems(tmp_path, text)
    assert problem == "house.yaml:1: the top level is not a mapping of keys to values"


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("name: [1\n", 2, "not YAML"),
        ("name: 'open\n", 2, "not YAML"),
        ("a: 1\n b: 2\n", 2, "not YAML"),
        ("name: x\n\tpets: 1\n", 2, "not YAML"),
        ("name: x\n---\nname: y\n", 2, "not YAML"),
        ("name: x\npets: \x07\n", 2, "not YAML"),
        ("a: &x 1\nb: *x\n", 2, "aliases are not supported"),
        ("a: &x [*x]\n", 1, "aliases are not supported"),
        ("a: 1\nb: !!python/object:os.system {}\n", 2, "tags are not supported"),
        ("a: !!bool maybe\n", 1, "tags are not supported"),
        ('a: "\\uD800"\n', 1, "half a surrogate pair"),
        ("a: " + "[" * 100 + "]" * 100 + "\n", 1, "nested deeper than 64 levels"),
        ("a: " + "[" * 20000 + "\n", 1, "nested deeper than 64 levels"),
    ],
)
def test_unsupported_yaml_is_refused_with_its_line(tmp_path: Path, text: str, line: int, message: str) -> None:
    (problem,) = problems(tmp_path, text)
    assert problem.startswith(f"house.yaml:{line}: ")
    assert message in problem


def test_bytes_that_are_not_utf_8_are_refused_with_their_line(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, b"name: x\npets: \xff\xfe\n")
    assert problem == "house.yaml:2: not UTF-8: invalid start byte"


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere.yaml", tmp_path):
        with pytest.raises(SpecError, match="cannot be read") as caught:
            yaml_source.load(path)
        assert str(caught.value).startswith(f"{path}: ")


def test_a_file_beyond_the_limit_is_refused(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, b"#" * (yaml_source.MAX_FILE_BYTES + 1))
    assert "larger than" in problem


def test_a_model_is_frozen_and_finite_when_built_in_code_too() -> None:
    with pytest.raises(ValidationError, match="finite"):
        House(name="x", area_m2=float("nan"))
    house = House(name="x")
    with pytest.raises(ValidationError, match="frozen"):
        house.name = "y"  # type: ignore[misc]  # that is what is refused

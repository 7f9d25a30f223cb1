"""Every audit code is emitted by the mesh, and a test proves that it is reached."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from checks.codes import DOCUMENT, PROTO, main, proto_enum, table
from qiki.registrar.v1.event_code_pb2 import EventCode
from qiki_sdk.codes import ALL, SUBJECTS, Code, Family

ROOT = Path(__file__).parents[3]
PRODUCT = ("mesh", "svc_sim", "svc_radar", "svc_tracker", "svc_registrar", "adapters", "cli", "sdk/qiki_sdk")


def trees(*folders: str) -> Iterator[tuple[Path, ast.Module]]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield path, ast.parse(path.read_text(encoding="utf-8"))


def proved_in(tree: ast.Module) -> Iterator[str]:
    """Yield the codes that the module's tests prove: `prove(CODE, ...)` or `prove(codes.CODE, ...)` in a test."""
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) or not function.name.startswith("test_"):
            continue
        for node in ast.walk(function):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "prove":
                yield from code_of(node.args[0])


def code_of(argument: ast.expr) -> Iterator[str]:
    if isinstance(argument, ast.Name):
        yield argument.id
    elif isinstance(argument, ast.Attribute):
        yield argument.attr


def used_in(tree: ast.Module) -> set[str]:
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return names | {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}


@pytest.fixture(scope="module")
def proved() -> set[str]:
    return {name for _path, tree in trees("tests") for name in proved_in(tree)}


@pytest.fixture(scope="module")
def emitted() -> set[str]:
    return {name for path, tree in trees(*PRODUCT) if path.name != "codes.py" for name in used_in(tree)}


@pytest.mark.parametrize("code", ALL, ids=lambda code: code.name)
def test_every_code_is_emitted_by_the_mesh_and_a_test_proves_it_reached(
    code: Code, proved: set[str], emitted: set[str]
) -> None:
    assert code.name in emitted, f"nothing emits {code.name}: emit it where it happens, or delete it"
    assert code.name in proved, f"no test proves {code.name}: call prove({code.name}, ...) with what was reported"


def test_a_test_that_proves_no_code_does_not_count() -> None:
    assert list(proved_in(ast.parse("def helper():\n    prove(GAP, [])\ndef test_x():\n    other(GAP)\n"))) == []
    assert list(proved_in(ast.parse("async def test_x():\n    prove(codes.GAP, [])\n"))) == ["GAP"]


def test_the_proto_has_every_code_with_its_number() -> None:
    wire = {name.removeprefix("EVENT_CODE_"): number for name, number in EventCode.items() if number}
    assert wire == {code.name: code.number for code in ALL}


def test_the_generated_copies_are_up_to_date() -> None:
    assert PROTO.read_text(encoding="utf-8") == proto_enum()
    assert table() in DOCUMENT.read_text(encoding="utf-8")
    assert main(["--check"]) == 0


def test_every_family_has_a_subject_and_every_code_a_remedy() -> None:
    assert list(SUBJECTS) == list(Family)
    assert [code.name for code in ALL if not code.remedy.endswith(".")] == []

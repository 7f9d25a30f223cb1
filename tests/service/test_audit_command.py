"""`qiki audit` as a user runs it: against a served registrar, and against its files alone."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from qiki.registrar.v1 import registrar_service_pb2 as pb
from qiki_sdk import codes
from qiki_sdk.audit_event import make_event
from signed_log import checkpoint
from svc_registrar.domain.notes import Signer
from watch_cases import CASES, WAIT_S, Served, serve

pytestmark = pytest.mark.asyncio

AUDIT = next(case for case in CASES if case.service == "registrar")
CHECK_PROOF = Path(__file__).parents[2] / "docs" / "check_proof.py"


@pytest_asyncio.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serve(AUDIT, tmp_path / "state", checkpoint_s=0.1) as running:
        await record(running, *(f"event {number}" for number in range(12)))
        yield running


async def record(served: Served, *texts: str) -> None:
    events = [make_event("test", codes.GAP, text, attributes={"first": 1}) for text in texts]
    events.append(make_event("other", codes.BOOT_OK, "ready"))
    await served.stub.RecordEvents(pb.RecordEventsRequest(events=events), timeout=WAIT_S)
    await signed(served)


async def signed(served: Served) -> pb.GetCheckpointResponse:
    return await checkpoint(served, served.feed.store.last_sequence)


async def run(*command: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(3 * WAIT_S):
        output, errors = await process.communicate()
    return process.returncode or 0, output.decode(), errors.decode()


async def qiki(*arguments: str) -> tuple[int, str, str]:
    return await run(sys.executable, "-P", "-m", "cli", "audit", *arguments)


def target(served: Served) -> str:
    return f"127.0.0.1:{served.server.port}"


async def test_list_prints_one_event_a_line_newest_first_or_oldest_first_and_filtered(served: Served) -> None:
    code, output, _errors = await qiki("list", "--target", target(served), "--limit", "3")
    lines = output.splitlines()
    assert (code, len(lines)) == (0, 3)
    assert [int(line.split()[0]) for line in lines] == [14, 13, 12]
    assert " ERROR 631 GAP test: event 11 first=1" in lines[1]
    options = ("--reporter", "other", "--severity", "info", "--since", "2020-01-01", "--oldest-first")
    code, output, _errors = await qiki("list", "--target", target(served), *options)
    assert (code, [line.split(":")[2].split()[-1] for line in output.splitlines()]) == (0, ["other"])
    code, output, _errors = await qiki("list", "--target", target(served), "--codes", "600-699", "--text", "EVENT 11")
    assert (code, [line.split(": ")[1][:8] for line in output.splitlines()]) == (0, ["event 11"])
    code, _output, errors = await qiki("list", "--target", target(served), "--codes", "6")
    assert (code, "--codes is '6': give the first and the last code" in errors) == (2, True)
    code, _output, errors = await qiki("list", "--target", target(served), "--severity", "loud")
    assert (code, errors) == (2, "qiki: --severity is loud: give one of info, warning, error, critical\n")


async def test_tail_prints_events_as_they_are_recorded(served: Served) -> None:
    command = (sys.executable, "-P", "-m", "cli", "audit", "tail", "--target", target(served), "--from-oldest")
    process = await asyncio.create_subprocess_exec(*command, "--code", "631", stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        async with asyncio.timeout(3 * WAIT_S):
            first = [await process.stdout.readline() for _line in range(12)]
            assert first[11].endswith(b"test: event 11 first=1\n")
            await record(served, "later")
            assert b"test: later" in await process.stdout.readline()
    finally:
        process.kill()
        await process.wait()


async def test_verify_names_the_first_wrong_record_with_an_exit_status_of_its_kind(
    served: Served, tmp_path: Path
) -> None:
    found = await signed(served)
    (tmp_path / "key").write_text(found.public_key)
    (tmp_path / "note").write_text(found.checkpoint.note)
    options = ("--key", str(tmp_path / "key"), "--checkpoint", str(tmp_path / "note"))
    state = str(tmp_path / "state")
    code, output, _errors = await qiki("verify", state, *options)
    assert (code, output.splitlines()[0][:21]) == (0, "verified: 14 records ")
    code, output, _errors = await qiki("verify", state)
    assert (code, output.splitlines()[0]) == (
        0,
        "note: the key was taken from the log's own directory: give yours with --key",
    )
    path = next((tmp_path / "state" / "audit" / "segments").iterdir())
    path.write_bytes(path.read_bytes().replace(b"event 5", b"event 6"))
    code, output, _errors = await qiki("verify", state, *options)
    assert (code, output.splitlines()[0]) == (3, "changed: record 7: its line is not the one that was recorded")
    other = Signer("qiki/other", bytes(32)).verifier.text()
    code, output, _errors = await qiki("verify", state, "--key", other)
    assert (code, output[:15]) == (8, "not verifiable:")
    code, _output, errors = await qiki("verify", state, "--key", "nonsense")
    assert (code, "--key: the key is not an Ed25519 key" in errors) == (2, True)
    code, _output, errors = await qiki("verify", str(tmp_path / "nowhere"))
    assert (code, "is no log's directory" in errors) == (2, True)


async def test_prove_shows_that_an_event_is_in_the_log_and_that_the_log_only_grew(
    served: Served, tmp_path: Path
) -> None:
    old = await signed(served)
    (tmp_path / "note").write_text(old.checkpoint.note)
    await record(served, "later")
    options = ("--target", target(served), "--key", old.public_key, "--checkpoint", str(tmp_path / "note"))
    code, output, errors = await qiki("prove", "3", *options)
    assert (code, errors) == (0, "")
    line, proved, grew = output.splitlines()
    assert json.loads(line)["event"]["message"] == "event 1"
    assert proved.startswith("proved: event 3 is in the log of 16 events, qiki/")
    assert grew == "proved: the log of 16 events begins with the 14 events of the kept checkpoint"
    code, _output, errors = await qiki("prove", "99", "--target", target(served))
    assert (code, "sequence: is 99, the tree has the events 1 to 16" in errors) == (1, True)


async def test_an_exported_proof_is_checked_by_a_script_that_shares_no_code(served: Served, tmp_path: Path) -> None:
    assert len(CHECK_PROOF.read_text().splitlines()) <= 60
    assert not [name for name in ("svc_registrar", "mesh", "qiki_sdk") if f"import {name}" in CHECK_PROOF.read_text()]
    key, proof = (await signed(served)).public_key, tmp_path / "proof.json"

    async def check(text: str, public_key: str = key) -> tuple[int, str, str]:
        proof.write_text(text)
        return await run(sys.executable, "-P", "-I", str(CHECK_PROOF), str(proof), public_key)

    for sequence in (1, 5, 14):
        code, _output, errors = await qiki("export", str(sequence), "-o", str(proof), "--target", target(served))
        assert (code, errors) == (0, "")
        good = proof.read_text()
        code, output, errors = await check(good)
        assert (code, json.loads(output)["index"], errors) == (0, sequence, "")
    found = json.loads(good)
    false = [
        {**found, "line": found["line"].replace("ready", "gone")},
        {**found, "index": 13},
        {**found, "hashes": found["hashes"][:-1]},
        {**found, "hashes": [*found["hashes"], found["hashes"][0]]},
        {**found, "checkpoint": found["checkpoint"].replace("\n14\n", "\n15\n")},
    ]
    for wrong in false:
        code, output, errors = await check(json.dumps(wrong))
        assert (code, output, errors[:10]) == (1, "", "NOT PROVED")
    assert (await check(good, Signer("qiki/other", bytes(32)).verifier.text()))[0] == 1

"""A run that has ended is followed by another in the same state directory: both are kept, and so is the audit trail."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import grpc

from chain import AUDIT_SUBJECT, RUN_ID, SUBJECTS, Stored, chain, published_all, read_all, read_audit, until
from cli.local_mesh.mesh import Mesh
from cli.local_mesh.processes import grpc_target
from qiki.archive.v1.archive_service_pb2 import ListArchiveRequest
from qiki.archive.v1.archive_service_pb2_grpc import ArchiveServiceStub

DURATION_S = 10.0
NEXT_RUN_ID = "99999999-8888-4777-8666-555555555555"


async def run(directory: Path, **options: object) -> tuple[dict[str, list[Stored]], dict[str, list[str]], list[str]]:
    """Run to the end; return the messages in JetStream, the runs that the archive lists by channel, and the output."""
    said: list[str] = []
    async with chain(directory, DURATION_S, say=said.append, **options) as mesh:
        await until(lambda: published_all(mesh), "everything published")
        found = await read_all(mesh)
        found[AUDIT_SUBJECT] = await read_audit(mesh)
        return found, await archived_runs(mesh), said


async def archived_runs(mesh: Mesh) -> dict[str, list[str]]:
    async with grpc.aio.insecure_channel(grpc_target("archive", mesh.ports)) as channel:
        listed = await ArchiveServiceStub(channel).ListArchive(ListArchiveRequest(), timeout=30)
    return {each.channel: [run.run_id for run in each.runs] for each in listed.channels}


def ids(stored: Mapping[str, list[Stored]], subject: str) -> list[str]:
    return [message.headers["ce-id"] for message in stored[subject]]


def test_the_next_run_follows_the_first_and_nothing_is_deleted(tmp_path: Path) -> None:
    first, _runs, _said = asyncio.run(run(tmp_path))
    again, _runs, _said = asyncio.run(run(tmp_path))  # without --new-run it is the same run, at its end
    both, runs, said = asyncio.run(run(tmp_path, new_run=True, run_id=NEXT_RUN_ID))
    assert said[0] == f"A new run begins; the run before is kept in {tmp_path / 'state' / 'runs' / RUN_ID}."
    assert {path.name for path in (tmp_path / "state" / "runs" / RUN_ID).iterdir()} >= {"run.json", "reserved_tick"}
    for subject in SUBJECTS:
        assert ids(again, subject) == ids(first, subject)
        before, after = ids(both, subject)[: len(ids(first, subject))], ids(both, subject)[len(ids(first, subject)) :]
        assert before == ids(first, subject)
        assert len(after) == len(before)
        assert not set(after) & set(before)
    audit = [message.headers["ce-sequence"] for message in both[AUDIT_SUBJECT]]
    assert audit[: len(again[AUDIT_SUBJECT])] == [message.headers["ce-sequence"] for message in again[AUDIT_SUBJECT]]
    assert audit == sorted(set(audit))
    assert len(audit) > len(again[AUDIT_SUBJECT]) > len(first[AUDIT_SUBJECT])
    assert runs.pop("audit") != []
    assert set(map(tuple, runs.values())) == {(RUN_ID, NEXT_RUN_ID)}
    checkpoints = list((tmp_path / "state" / "tracker").glob("*.checkpoint"))
    assert not any(RUN_ID.encode() in path.read_bytes() for path in checkpoints)

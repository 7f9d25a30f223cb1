"""A mesh on a disk of its own that is filled and freed: `python -m full_disk_run DIRECTORY`.

Started by `test_disk_filled_and_freed`; the directory's file system is small. Exit status 1 with the reason where the
mesh does not do by itself what is expected of it.
"""

import asyncio
import sys
import time
from pathlib import Path

from chain import (
    AUDIT_SUBJECT,
    SUBJECTS,
    Stored,
    chain,
    facts,
    published_all,
    read_all,
    read_audit,
    run_to_the_end,
    until,
)
from cli.local_mesh.mesh import Mesh

DURATION_S = 60.0
CHUNK_BYTES = 1 << 20


def fill(path: Path) -> None:
    """Write until the disk is full to the last byte."""
    with path.open("wb", buffering=0) as file:
        size = CHUNK_BYTES
        while size:
            try:
                file.write(b"\0" * size)
            except OSError:
                size //= 2


async def nats_status(mesh: Mesh) -> tuple[str, str]:
    status = next(status for status in await mesh.statuses() if status.name == "nats")
    return status.status, status.detail


async def disturbed(directory: Path) -> dict[str, list[Stored]]:
    """Fill the disk in the middle of a run, and free it once NATS stores nothing any more; touch nothing else."""
    said: list[str] = []
    async with chain(directory / "mesh", DURATION_S, say=said.append, speed="10") as mesh:
        await until(lambda: facts(mesh, "sim").get("tick", 0) >= 100, "tick 100")
        before = mesh.endpoints()["nats"]["pid"]
        await asyncio.to_thread(fill, directory / "filler")
        while (await nats_status(mesh))[0] == "SERVING":  # noqa: ASYNC110 (nothing announces it)
            await asyncio.sleep(0.2)
        status, detail = await nats_status(mesh)
        expect(status == "NOT_SERVING" and "the disk is full" in detail and "bytes are free" in detail, detail)
        await asyncio.sleep(3.0)  # a while without space, in which a restart would be in vain
        expect(mesh.endpoints()["nats"]["pid"] == before, "nats-server was restarted while the disk was full")
        (directory / "filler").unlink()
        freed_s = time.monotonic()
        await until(lambda: published_all(mesh), "everything published")
        print(f"all published {time.monotonic() - freed_s:.1f} s after there was space again")
        expect(any("nats: exited with status 0; restarting now" in line for line in said), "\n".join(said))
        expect((await nats_status(mesh)) == ("SERVING", ""), str(await nats_status(mesh)))
        found = await read_all(mesh)
        found[AUDIT_SUBJECT] = await read_audit(mesh)
        return found


def expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise AssertionError(otherwise)


async def main(directory: Path) -> None:
    found = await disturbed(directory)
    audit = [message.headers["ce-sequence"] for message in found.pop(AUDIT_SUBJECT)]
    expect(bool(audit) and audit == sorted(set(audit)), f"the audit trail is out of order: {audit}")
    expected = await run_to_the_end(directory / "calm", DURATION_S)
    for subject in SUBJECTS:
        kept = [(message.headers["ce-id"], message.data) for message in found[subject]]
        expect(bool(kept), f"{subject}: nothing")
        same = kept == [(message.headers["ce-id"], message.data) for message in expected[subject]]
        expect(same, f"{subject}: {len(kept)} messages, not what an undisturbed run leaves")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))

"""The Go and shell examples of docs/events.md, run as they are: their events are in the audit trail afterwards.

Usage: python tests/e2e/events.py GO NATS, the paths of the Go toolchain and of the `nats` command.
"""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from chain import chain, facts, until
from cli.local_mesh.mesh import Mesh
from documented_examples import examples
from qiki.registrar.v1.registrar_service_pb2 import ListEventsRequest
from qiki.registrar.v1.registrar_service_pb2_grpc import RegistrarServiceStub
from qiki_sdk.channel import connect
from qiki_sdk.codes import FOREIGN_EVENT

PAGE = "events.md"
EXPECTED = {"go-1", "shell-1", "shell-2"}
LIMIT_S = 300


async def main(go: str, nats: str) -> int:
    """Run the examples against a mesh; return the exit status."""
    with TemporaryDirectory() as scratch:
        async with chain(Path(scratch), 2.0) as mesh:
            url = f"nats://127.0.0.1:{mesh.ports['nats']}"
            await asyncio.to_thread(run_go, go, Path(scratch) / "go", url)
            await asyncio.to_thread(run_shell, nats, url)
            await until(lambda: facts(mesh, "bridge")["intake"]["recorded"] >= len(EXPECTED), "the events recorded")
            found = await recorded(mesh)
    if found != EXPECTED:
        print(
            f"the audit trail has {sorted(found)} of the examples' events, expected {sorted(EXPECTED)}", file=sys.stderr
        )
        return 1
    print(f"the Go and shell examples of {PAGE} work: {', '.join(sorted(found))} are recorded")
    return 0


def run_go(go: str, directory: Path, url: str) -> None:
    """Build the Go example in a module of its own, and run it."""
    directory.mkdir()
    (program,) = examples(PAGE, "go")
    (directory / "main.go").write_text(program, encoding="utf-8")
    environment = os.environ | {"NATS_URL": url, "GOFLAGS": "-mod=mod"}
    for arguments in (["mod", "init", "example"], ["get", "github.com/nats-io/nats.go@v1.45.0"], ["run", "."]):
        subprocess.run([go, *arguments], cwd=directory, env=environment, check=True, timeout=LIMIT_S)


def run_shell(nats: str, url: str) -> None:
    """Run the shell example with this `nats` command first in the path."""
    (script,) = examples(PAGE, "bash")
    environment = os.environ | {"NATS_URL": url, "PATH": f"{Path(nats).parent}:{os.environ['PATH']}"}
    subprocess.run(["bash", "-euo", "pipefail", "-c", script], env=environment, check=True, timeout=LIMIT_S)


async def recorded(mesh: Mesh) -> set[str]:
    """Return the ids of the foreign events in the audit trail."""
    async with connect(f"127.0.0.1:{mesh.ports['registrar']}") as channel:
        page = await RegistrarServiceStub(channel).ListEvents(ListEventsRequest(page_size=1000), timeout=10)
    events = [each.audit_event for each in page.events]
    return {event.foreign_event.id for event in events if event.code == FOREIGN_EVENT.number}


if __name__ == "__main__":
    sys.exit(asyncio.run(main(*sys.argv[1:3])))

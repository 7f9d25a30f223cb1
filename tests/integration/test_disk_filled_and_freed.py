"""A disk below a whole mesh that is full for a while: with space again it continues by itself, and nothing is lost.

A full disk needs a disk: a tmpfs in a mount namespace of its own, which root may make, and everybody else where the
system allows user namespaces. Without either the test cannot run, which in CI is a failure. `test_full_disk` runs
everywhere, with a limit on file sizes in place of the disk; it does not reach what nats-server does after ENOSPC.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SIZE = "300m"
LIMIT_S = 400
TESTS = Path(__file__).parent.parent
NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount", "--propagation", "private", "--")
ON_SMALL_DISK = 'mount -t tmpfs -o size="$1" tmpfs "$2" && shift && cd / && exec "$2" -m full_disk_run "$1"'


def may_mount(directory: Path) -> str:
    """Return why no tmpfs can be mounted here; empty if one can."""
    try:
        tried = subprocess.run(
            [*NAMESPACE, "mount", "-t", "tmpfs", "tmpfs", str(directory)],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    except OSError as error:
        return str(error)
    return tried.stderr.strip() or "unshare failed" if tried.returncode else ""


def test_a_mesh_continues_by_itself_once_a_full_disk_has_space_again(tmp_path: Path) -> None:
    if why := may_mount(tmp_path):
        text = f"a tmpfs cannot be mounted here ({why}): run it as root, or allow user namespaces"
        pytest.fail(text) if os.environ.get("CI") == "true" else pytest.skip(text)
    result = subprocess.run(
        [*NAMESPACE, "sh", "-c", ON_SMALL_DISK, "sh", SIZE, str(tmp_path), sys.executable],
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    print(result.stdout)
    assert result.returncode == 0, result.stdout + result.stderr

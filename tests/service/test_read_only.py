"""A state directory that cannot be written is refused at the start, by its name; the tracker runs without one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

READ_ONLY = Path("/sys/qiki")  # nobody can make a directory there, not even the superuser
TIMEOUT_S = 60.0

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the kernel's own file system is on Linux alone")


@pytest.mark.parametrize(("module", "prefix"), [("svc_sim", "QIKI_SIM_"), ("svc_registrar", "QIKI_REGISTRAR_")])
def test_a_service_that_must_write_refuses_a_directory_that_it_cannot_write(module: str, prefix: str) -> None:
    settings = {f"{prefix}STATE_DIR": str(READ_ONLY), f"{prefix}GRPC_PORT": "0", f"{prefix}HTTP_PORT": "0"}
    done = subprocess.run(
        [sys.executable, "-m", module],
        env=os.environ | settings,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 2
    assert f"{READ_ONLY}" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_mesh_refuses_a_directory_that_it_cannot_write() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cli", "up", "--free-ports", "--state-dir", str(READ_ONLY)],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 2
    assert f"The state directory {READ_ONLY} cannot be used" in done.stderr

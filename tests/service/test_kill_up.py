"""The end of `qiki up` in every phase and every way: nothing of it is left. `make kill-up` does it many times."""

import random
import sys
from itertools import product
from pathlib import Path

import pytest

from chaos.killed_up import End, Phase, end_in, kill_children_of_a_start

# The promise is 5 s, which the campaign holds it to; here a loaded machine is no failure.
LIMIT_S = 30.0
# SIGHUP is the same signal whoever sends it; what differs is only whether writing still works.
CASES = [*product(Phase, [End.KILL]), *product(Phase, [End.TERMINAL_CLOSED]), (Phase.SERVING, End.HANGUP)]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="who belongs to a mesh is read from /proc")


@pytest.mark.parametrize(("phase", "how"), CASES)
@pytest.mark.asyncio
async def test_no_process_is_left_of_an_ended_mesh(tmp_path: Path, phase: Phase, how: End) -> None:
    await end_in(phase, how, tmp_path / "mesh", random.Random(f"{phase} {how}"), LIMIT_S)


@pytest.mark.asyncio
async def test_a_mesh_whose_children_are_killed_while_it_starts_comes_up(tmp_path: Path) -> None:
    await kill_children_of_a_start(tmp_path / "mesh", random.Random(3), kills=5)

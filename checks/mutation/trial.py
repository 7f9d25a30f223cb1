"""Trial of one mutation: apply it to a copy of the tree, run its tests there, and restore the copy."""

import asyncio
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Self

from checks.mutation.catalogue import Mutation, problem
from checks.mutation.plugin import VARIABLE
from qiki_sdk.cleanup import cleanup

LIMIT_S = 180.0
KILLED_S = 10.0
_LEFT_OUT = shutil.ignore_patterns(
    ".venv", ".git", ".*_cache", ".hypothesis", "__pycache__", "build", "dist", "recordings", "*.egg-info"
)
_PASSED, _FAILED = 0, 1  # pytest's exit status
_FAILED_TEST = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)
_SHOWN_LINES = 15


class Verdict(Enum):
    """Result of a mutation. Only a test that fails by itself kills one."""

    KILLED = "killed"
    SURVIVED = "survived"
    STALE = "stale"
    TIMED_OUT = "timed out"
    BROKEN = "broken"  # the tests could not be run at all


@dataclass(frozen=True, slots=True)
class Outcome:
    """A mutation's verdict, the test that killed it or the reason why none did, and the duration."""

    mutation: Mutation
    verdict: Verdict
    detail: str
    seconds: float


@dataclass(frozen=True, slots=True)
class _Ended:
    status: int | None  # None: beyond the time limit
    output: str

    @property
    def last_lines(self) -> str:
        return "\n".join(self.output.splitlines()[-_SHOWN_LINES:])


class Tree:
    """A copy of the tree in which one mutation at a time is tried."""

    def __init__(self, root: Path, limit_s: float = LIMIT_S) -> None:
        self._root = root
        self._limit_s = limit_s
        self._changes = 0

    @classmethod
    def copy(cls, source: Path, target: Path, limit_s: float = LIMIT_S) -> Self:
        """Copy the tree below `source`, without environments and build output, to `target`, which must not exist."""
        shutil.copytree(source, target, symlinks=True, ignore=_LEFT_OUT)
        return cls(target.resolve(), limit_s)

    async def check_tests(self, tests: Sequence[str]) -> str:
        """Run tests on the unchanged tree; return the end of pytest's output if they fail, else an empty text."""
        anywhere = self._root / "checks" / "mutation" / "catalogue.py"
        ended = await self._pytest(tests, anywhere)
        if ended.status is None:
            return f"not done within {self._limit_s:g} s"
        return "" if ended.status == _PASSED else ended.last_lines

    async def try_mutation(self, mutation: Mutation) -> Outcome:
        """Run the mutation's tests with the mutation applied."""
        began_s = time.monotonic()
        if why := problem(self._root, mutation):
            return Outcome(mutation, Verdict.STALE, why, 0.0)
        with self._mutated(mutation) as path:
            ended = await self._pytest(mutation.tests, path)
        verdict, detail = self._judge(ended)
        return Outcome(mutation, verdict, detail, time.monotonic() - began_s)

    def _judge(self, ended: _Ended) -> tuple[Verdict, str]:
        if ended.status is None:
            return Verdict.TIMED_OUT, f"no test failed within {self._limit_s:g} s"
        if ended.status == _PASSED:
            return Verdict.SURVIVED, ""
        failed = _FAILED_TEST.search(ended.output)
        if ended.status == _FAILED and failed is not None:
            return Verdict.KILLED, failed[1]
        return Verdict.BROKEN, ended.last_lines

    @contextmanager
    def _mutated(self, mutation: Mutation) -> Iterator[Path]:
        path = self._root / mutation.path
        original = path.read_text(encoding="utf-8")
        try:
            self._write(path, mutation.mutate(original))
            yield path
        finally:
            self._write(path, original)

    def _write(self, path: Path, text: str) -> None:
        """Replace the file with a unique modification time: Python detects old byte code only by second and size."""
        self._changes += 1
        path.write_text(text, encoding="utf-8")
        stamp = int(path.stat().st_mtime) + self._changes
        os.utime(path, (stamp, stamp))

    async def _pytest(self, tests: Sequence[str], mutated: Path) -> _Ended:
        paths = (self._root, self._root / "sdk", self._root / "gen")
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(str, paths)),
            VARIABLE: str(mutated),
            "CI": "true",  # property tests try the same examples every time
        }
        options = ("-x", "-q", "--tb=short", "--no-header", "-p", "no:cacheprovider", "-p", "checks.mutation.plugin")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "pytest", *options, *tests),
            cwd=self._root,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(self._limit_s):
                output, _ = await process.communicate()
        except TimeoutError:
            return _Ended(None, "")
        finally:
            with suppress(ProcessLookupError):  # the tests' own children end too
                os.killpg(process.pid, signal.SIGKILL)
            await cleanup(process.wait(), KILLED_S)
        return _Ended(process.returncode, output.decode("utf-8", "replace"))

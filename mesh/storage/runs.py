"""Runs: created once, kept in the state directory, loaded after a restart."""

import hashlib
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from google.protobuf import json_format

from mesh.clock import to_timestamp
from mesh.serving.errors import StartError
from mesh.storage.files import read_checked, write_checked
from mesh.storage.platform_pin import platform_digest
from qiki.common.v1.stream_pb2 import Run

_FILE = "run.json"
# Added to each error about damaged, lost or older state of a run.
RUN_ADVICE = (
    "put back an undamaged copy; if there is none, or an earlier version wrote it, begin a new run: `qiki up --new-run`"
)
# The inputs of a run. A state directory whose run differs in one of them cannot be continued.
_INPUTS = ("seed", "bot_id", "tick_ns", "last_tick", "scenario_digest", "bot_spec_digest")
_PRODUCERS = ("code_digest", "platform_digest")


@dataclass(frozen=True, slots=True)
class RunInputs:
    """The inputs of a new run. Without `run_id` and `start_ns` they are new: a random id, the present second."""

    seed: int
    bot_id: str
    tick_ns: int
    last_tick: int
    scenario_digest: str
    bot_spec_digest: str
    code_digest: str
    run_id: str | None = None
    start_ns: int | None = None


def load_or_create(state_dir: Path, inputs: RunInputs, prepare: Callable[[Run], object] = lambda _run: None) -> Run:
    """Return the run in the state directory, or a new one, which is durable when this returns.

    `prepare` is called with a new run before that: files that it makes durable exist for every run that is loaded.

    Raises:
        StartError: the run in the directory has other inputs, or is damaged.
    """
    path = state_dir / _FILE
    wanted = _new_run(inputs)
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        body = read_checked(path, RUN_ADVICE)
        if body is not None:
            return _found(path, body, wanted, inputs)
        prepare(wanted)
        write_checked(path, json_format.MessageToJson(wanted, preserving_proto_field_name=True).encode())
    except OSError as error:
        raise StartError(f"the state directory {state_dir} cannot be used: {error.strerror}") from error
    return wanted


def code_digest(roots: Iterable[Path]) -> str:
    """Return the SHA-256 over the Python files below the roots, by relative name, hexadecimal."""
    digest = hashlib.sha256()
    for root in roots:
        for path in sorted(root.rglob("*.py")):
            digest.update(f"{root.name}/{path.relative_to(root).as_posix()}\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _new_run(inputs: RunInputs) -> Run:
    now_ns = time.time_ns()
    start_ns = inputs.start_ns if inputs.start_ns is not None else now_ns // 1_000_000_000 * 1_000_000_000
    return Run(
        run_id=inputs.run_id or str(uuid.uuid4()),
        created=to_timestamp(now_ns),
        start_time=to_timestamp(start_ns),
        seed=inputs.seed,
        bot_id=inputs.bot_id,
        tick_ns=inputs.tick_ns,
        last_tick=inputs.last_tick,
        scenario_digest=inputs.scenario_digest,
        bot_spec_digest=inputs.bot_spec_digest,
        code_digest=inputs.code_digest,
        platform_digest=platform_digest(),
    )


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False


def _found(path: Path, body: bytes, wanted: Run, inputs: RunInputs) -> Run:
    try:
        run = json_format.Parse(body.decode(), Run())
    except (json_format.ParseError, UnicodeDecodeError) as error:
        raise StartError(f"{path} holds no run ({error}); {RUN_ADVICE}") from error
    if not (_is_uuid(run.run_id) and run.HasField("created") and run.HasField("start_time")):
        raise StartError(f"{path} holds no run (run_id, created or start_time); {RUN_ADVICE}")
    differing = [name for name in (*_INPUTS, *_PRODUCERS) if getattr(run, name) != getattr(wanted, name)]
    if inputs.run_id is not None and run.run_id != wanted.run_id:
        differing.append("run_id")
    if inputs.start_ns is not None and run.start_time != wanted.start_time:
        differing.append("start_time")
    if differing:
        raise StartError(
            f"{path.parent} holds run {run.run_id}, made with another {', '.join(differing)}; "
            "going on would give another history: begin a new run with `qiki up --new-run` or `qiki new-run`"
        )
    return run

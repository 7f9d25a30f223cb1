"""A long log: the first page of ListEvents, the registrar's memory, and the rate of verification."""

import statistics
import time
from dataclasses import dataclass
from pathlib import Path

from bench.registrar.producers import registrar
from botspec.example import example_bot_spec
from botspec.model import load_bot_spec
from qiki.registrar.v1 import registrar_service_pb2 as pb
from qiki_sdk import codes
from qiki_sdk.audit_event import make_event
from svc_registrar import wire
from svc_registrar.domain.index import Entry
from svc_registrar.log.log import Log
from svc_registrar.verify.verify import Task, own_key, verify

GROUP = 2_000
CHECKPOINT_GROUPS = 5
PAGES = 60
WARM_UP = 5
RARE = 1_000_003
FILTERS = {
    "newest": pb.ListEventsRequest(newest_first=True),
    "oldest": pb.ListEventsRequest(),
    "one code": pb.ListEventsRequest(filter=pb.EventsFilter(codes=[codes.GAP.number]), newest_first=True),
    "a rare reporter": pb.ListEventsRequest(filter=pb.EventsFilter(reporters=["rare"])),
    "no match": pb.ListEventsRequest(filter=pb.EventsFilter(reporters=["nobody"])),
    "critical": pb.ListEventsRequest(filter=pb.EventsFilter(min_severity=pb.SEVERITY_CRITICAL)),
}


@dataclass(frozen=True, slots=True)
class Reading:
    """Milliseconds of the first page at the 99th percentile by filter, and the process' own memory in MB."""

    p99_ms: dict[str, float]
    memory_mb: float


def build(state_dir: Path, count: int) -> None:
    """Make a log of so many events: of 12 codes and 20 reporters, one in a million of another."""
    kinds = codes.ALL[:12]
    made = [wire.to_submission(make_event(f"svc_{n % 20}", kinds[n % 12], f"event {n}")) for n in range(240)]
    log = Log.open(state_dir, load_bot_spec(example_bot_spec()).spec.bot.bot_id, wire.CODEC)
    for first in range(0, count, GROUP):
        numbers = range(first, min(first + GROUP, count))
        contents, entries = zip(*(_event(made[n % 240], n) for n in numbers), strict=True)
        log.append(contents, entries)
        if first // GROUP % CHECKPOINT_GROUPS == 0:
            log.checkpoint()
    log.checkpoint()
    log.close()


def _event(template: wire.Submission, number: int) -> tuple[bytes, Entry]:
    entry, text = template.entry, str(number)
    event_id = f"{number:08x}-0000-4000-8000-{number:012x}"
    reporter = entry.reporter if number % RARE != 7 else "rare"
    content = template.content.replace(template.event.event_id.encode(), event_id.encode())
    content = content.replace(entry.reporter.encode(), reporter.encode()).replace(b"event ", b"event " + text.encode())
    return content, Entry(bytes.fromhex(event_id.replace("-", "")), entry.code, entry.severity, reporter)


async def read(state_dir: Path) -> Reading:
    """Measure the first page of each filter from a registrar process on the log."""
    found: dict[str, float] = {}
    async with registrar(state_dir) as (stub, pid):
        for name, request in FILTERS.items():
            took_ms = []
            for number in range(WARM_UP + PAGES):
                began_s = time.perf_counter()
                await stub.ListEvents(request)
                if number >= WARM_UP:
                    took_ms.append((time.perf_counter() - began_s) * 1e3)
            found[name] = statistics.quantiles(took_ms, n=100)[98]
        return Reading(found, _memory_mb(pid))


def verification_rate(state_dir: Path) -> float:
    """Return the records a second that one core verifies; raises RuntimeError if the log is not as it was signed."""
    log = state_dir / "audit"

    began_s = time.process_time()
    report = verify(Task(log, own_key(log)))
    seconds = time.process_time() - began_s
    if report.finding is not None:
        raise RuntimeError(str(report.finding))
    return report.proved / seconds


def _memory_mb(pid: int) -> float:
    """Return the resident memory of a process that is its own, without the pages of files."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"process {pid} has no RssAnon")

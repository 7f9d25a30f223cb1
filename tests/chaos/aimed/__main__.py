"""`make chaos AIMED=1`: every durable step struck on purpose. Exit status 0 where every case landed and passed."""

import argparse
import asyncio
import sys
import tempfile
from collections import Counter
from pathlib import Path

from chaos.aimed.campaign import Campaign, Result, Setting
from chaos.aimed.cases import campaign

DURATION_S = 600.0
LIMIT_MINUTES = 60.0


def main() -> int:
    """Carry the campaign out; print each case with the time that is left, and the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--strength", type=int, default=2, choices=(1, 2, 3), help="columns whose values all meet")
    parser.add_argument("--minutes", type=float, default=LIMIT_MINUTES, help="begin no further mesh after so long")
    parser.add_argument("--duration", type=float, default=DURATION_S, help="of each run, in simulated seconds")
    parser.add_argument("--only", default="", help="the cases whose description contains this")
    parser.add_argument("--after", type=Path, help="output of an interrupted campaign: its landed cases are left out")
    parser.add_argument("--keep", type=Path, help="keep state and logs in this directory")
    parser.add_argument("--list", action="store_true", help="print the cases, and run nothing")
    options = parser.parse_args()
    cases = [case for case in campaign(options.strength) if options.only in str(case)]
    if options.after is not None:
        landed = options.after.read_text(encoding="utf-8")
        cases = [case for case in cases if f" {case}: reached after" not in landed]
    print(f"{len(cases)} cases, strength {options.strength}", flush=True)
    if options.list:
        print(*cases, sep="\n")
        return 0
    with tempfile.TemporaryDirectory(prefix="qiki-aimed-") as temporary:
        setting = Setting(options.keep or Path(temporary), options.duration, options.minutes * 60)
        result = asyncio.run(Campaign(setting, lambda line: print(line, flush=True)).run(cases))
    print(report(result, len(cases)))
    return 0 if len(result.passed) == len(cases) > 0 else 1


def report(result: Result, count: int) -> str:
    """Return the table of the cases' results."""
    lines = []
    for name in ("process", "point", "occurrence", "victims", "speed", "bridge", "retention"):
        passed = Counter(f"{getattr(case, name)}" for case in result.passed)
        lines.append(f"{name + ':':<12}" + ", ".join(f"{value} {number}" for value, number in sorted(passed.items())))
    lines.append(f"receipts compared with the record: {result.receipts}; commands answered: {result.commands}")
    lines += [f"FAIL {case}: {why}" for case, why in result.failed]
    if result.left:
        lines.append(f"INCOMPLETE: no time for {len(result.left)} cases; take more MINUTES")
    verdict = "PASS" if len(result.passed) == count > 0 else "FAIL"
    lines.append(f"{verdict}: {len(result.passed)} of {count} cases landed, and left what the undisturbed run leaves")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())

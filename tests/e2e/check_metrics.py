"""Check of every metric by promtool: `check_metrics.py PROMTOOL` scrapes a live mesh of all services.

Exit status 0: promtool found nothing. 1: it found something, which is printed with the service's name.
"""

import asyncio
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from metrics_scrape import SERVICES, live_mesh

LIMIT_S = 60.0


def main(promtool: str) -> int:
    """Check all services; return the exit status."""
    texts = asyncio.run(_scrape())
    problems = {service: problem for service, text in texts.items() if (problem := _problems_in(promtool, text))}
    for service, problem in problems.items():
        print(f"{service}:\n{problem}", file=sys.stderr)
    print(f"promtool read the metrics of {len(texts)} services and complains of {len(problems)}")
    return 1 if problems else 0


async def _scrape() -> dict[str, str]:
    with TemporaryDirectory() as directory:
        async with live_mesh(Path(directory)) as live:
            return {service: await asyncio.to_thread(live.text, service) for service in SERVICES}


def _problems_in(promtool: str, text: str) -> str:
    done = subprocess.run(
        [promtool, "check", "metrics"], input=text, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    return done.stdout + done.stderr or ("" if done.returncode == 0 else f"exit status {done.returncode}")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

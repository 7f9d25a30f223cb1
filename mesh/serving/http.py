"""`/metrics` and `/healthz` over HTTP, from a thread of their own: they answer even if the event loop does not."""

import json
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from threading import Thread
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app

from mesh.serving.health import Health

# The longest delay before a stop is noticed.
STOP_POLL_S = 0.1
_StartResponse = Callable[[str, list[tuple[str, str]]], Any]


class _Quiet(WSGIRequestHandler):
    timeout = 10

    def log_message(self, format: str, *args: object) -> None:
        """Keep requests out of the log: they come every few seconds."""


class _Server(ThreadingMixIn, WSGIServer):
    # A silent connection delays neither the others nor the stop; its own timeout ends it.
    daemon_threads = True
    block_on_close = False


class HttpServer:
    """HTTP server of one metrics registry and one service's health."""

    def __init__(self, host: str, port: int, registry: CollectorRegistry, health: Health) -> None:
        self._metrics = make_wsgi_app(registry)
        self._health = health
        self._server: WSGIServer = make_server(host, port, self._app, _Server, _Quiet)
        self.port = self._server.server_port
        self._thread = Thread(target=self._server.serve_forever, args=(STOP_POLL_S,), name="http", daemon=True)

    def start(self) -> None:
        """Start to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Stop answering; returns when the port is free."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _app(self, environ: dict[str, Any], start_response: _StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "/")
        if path == "/metrics":
            answer: Iterable[bytes] = self._metrics(environ, start_response)
            return answer
        if path == "/healthz":
            return self._healthz(start_response)
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b"ask for /metrics or /healthz\n"]

    def _healthz(self, start_response: _StartResponse) -> Iterable[bytes]:
        report = self._health.report()
        body = {
            "service": self._health.service,
            "status": "SERVING" if report.serving else "NOT_SERVING",
            "detail": report.detail,
            "facts": dict(report.facts),
        }
        start_response(
            "200 OK" if report.serving else "503 Service Unavailable", [("Content-Type", "application/json")]
        )
        return [json.dumps(body, default=str).encode() + b"\n"]

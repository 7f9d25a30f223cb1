"""Metrics of RPCs by method."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class RpcMetrics:
    """The metric families of RPCs; `method` returns those of one method, looked up once."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.handled = Counter("qiki_rpc_handled", "RPCs that ended.", ["method", "code"], registry=registry)
        self.duration = Histogram("qiki_rpc_duration_seconds", "Duration of unary RPCs.", ["method"], registry=registry)
        self.open_streams = Gauge("qiki_rpc_open_streams", "Streams open.", ["method"], registry=registry)
        self.sent = Counter("qiki_rpc_stream_messages_sent", "Messages sent on streams.", ["method"], registry=registry)
        self._methods: dict[str, MethodMetrics] = {}

    def method(self, name: str) -> "MethodMetrics":
        """Return the metrics of a method that the server has."""
        found = self._methods.get(name)
        if found is None:
            found = self._methods[name] = MethodMetrics(self, name)
        return found


class MethodMetrics:
    """The metrics of one method."""

    def __init__(self, families: RpcMetrics, method: str) -> None:
        self.duration = families.duration.labels(method)
        self.open_streams = families.open_streams.labels(method)
        self.sent = families.sent.labels(method)
        self._families = families
        self._method = method
        self._handled: dict[str, Counter] = {}

    def handled(self, code: str) -> Counter:
        """Return the counter of the method's RPCs that ended with this status code."""
        found = self._handled.get(code)
        if found is None:
            found = self._handled[code] = self._families.handled.labels(self._method, code)
        return found

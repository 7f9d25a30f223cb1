"""One request to the JetStream API; its errors name the remedy."""

import json
from collections.abc import Mapping

import nats.errors
from nats.aio.client import Client

API_TIMEOUT_S = 5.0

_OUT_OF_SPACE = (10002, 10023, 10028, 10047)
_NOT_ENABLED = (10039, 10076)


class TopologyError(Exception):
    """The streams could not be read or changed; the message names the remedy, `code` is JetStream's, or 0."""

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


async def call(client: Client, operation: str, request: Mapping[str, object]) -> dict[str, object]:
    """Send the request `$JS.API.<operation>` and return its answer. Raises `TopologyError`."""
    try:
        answer = await client.request(f"$JS.API.{operation}", json.dumps(request).encode(), timeout=API_TIMEOUT_S)
        body = json.loads(answer.data)
    except nats.errors.NoRespondersError as error:
        raise TopologyError("JetStream does not answer; start nats-server with -js") from error
    except (nats.errors.Error, ValueError) as error:
        raise TopologyError(f"{operation}: no answer ({str(error) or type(error).__name__}); try again") from error
    if refused := body.get("error"):
        code, description = refused.get("err_code"), refused.get("description")
        raise TopologyError(f"{operation}: {description} (error {code}){_advice(code)}", int(code or 0))
    return dict(body)


def _advice(code: object) -> str:
    if code in _OUT_OF_SPACE:
        return "; declare smaller streams with `qiki nats init --size-factor FACTOR`, or give JetStream more room"
    if code in _NOT_ENABLED:
        return "; start nats-server with -js"
    return ""

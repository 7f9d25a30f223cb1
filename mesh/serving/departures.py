"""Clients that disconnect in the middle of a call: logged at DEBUG, not as a fault of the server.

The gRPC library logs ERROR and a traceback where a response cannot be delivered because the call is over, unless it has
first noticed that the client ended the call. The order of the two is random.
"""

import logging

GRPC_LOGGER = "grpc._cython.cygrpc"
# An operation that the transport could not complete; the error of one that the library refuses to start differs.
_ERROR, _UNDELIVERED = "ExecuteBatchError", 'Failed "execute_batch"'


def quieten_departures() -> None:
    """Log undeliverable responses at DEBUG, in this process."""
    logging.getLogger(GRPC_LOGGER).addFilter(log_departure_as_debug)


def log_departure_as_debug(record: logging.LogRecord) -> bool:
    """Turn the record of an undeliverable response into one at DEBUG; return whether to log it."""
    error = record.exc_info[1] if record.exc_info else None
    if type(error).__name__ != _ERROR or not str(error).startswith(_UNDELIVERED):
        return True
    record.levelno, record.levelname = logging.DEBUG, logging.getLevelName(logging.DEBUG)
    record.exc_info = record.exc_text = None
    return logging.getLogger(record.name).isEnabledFor(logging.DEBUG)

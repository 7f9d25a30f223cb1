"""Standard error while the screen is in use: what libraries print there is shown once the screen has been left."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

MAX_SHOWN_BYTES: Final = 8192


@contextmanager
def deferred_messages() -> Iterator[None]:
    """Keep what is written to standard error, where it is a terminal, and show the end of it after the block."""
    if not sys.stderr.isatty():
        yield
        return
    number = sys.stderr.fileno()
    with tempfile.TemporaryFile() as kept:
        own = os.dup(number)
        os.dup2(kept.fileno(), number)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(own, number)
            os.close(own)
            size = kept.seek(0, os.SEEK_END)
            kept.seek(max(0, size - MAX_SHOWN_BYTES))
            with suppress(OSError):  # the terminal is gone
                os.write(number, kept.read())

"""Standard output and error that may be lost: a closed terminal or a full disk below the log does not end the work.

A write to a terminal that is gone fails (EIO), and so do those to a pipe without a reader (EPIPE) and to a file on a
full disk (ENOSPC). Inside `lossy_output()` none of them raises, whoever writes: `print`, Rich, or Python at its end.
"""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final, TextIO, cast

# Nobody will ever read there again; a full disk, in contrast, may have space again.
_GONE: Final = (errno.EIO, errno.EPIPE, errno.ENXIO, errno.EBADF)


@contextmanager
def lossy_output() -> Iterator[None]:
    """Let whatever cannot be written to standard output and error be lost without an error."""
    with ExitStack() as restore:
        for name in ("stdout", "stderr"):
            stream: TextIO = getattr(sys, name)
            lossy = _LossyStream(stream)
            setattr(sys, name, cast(TextIO, lossy))
            restore.callback(setattr, sys, name, stream)
            restore.callback(lossy.finish)
        yield


class _LossyStream:
    """A text stream that drops what cannot be written; everything else is the stream's own."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write the text, or drop it."""
        try:
            self._stream.write(text)
        except OSError as error:
            self._failed(error)
        return len(text)

    def flush(self) -> None:
        """Flush, or leave in the buffer what cannot be written now."""
        try:
            self._stream.flush()
        except OSError as error:
            self._failed(error)

    def finish(self) -> None:
        """Flush for the last time: what cannot be written now goes nowhere, so that ending Python does not fail."""
        try:
            self._stream.flush()
        except OSError:
            self._divert()

    def _failed(self, error: OSError) -> None:
        if error.errno in _GONE:
            self._divert()

    def _divert(self) -> None:
        """Let the stream's descriptor, and with it what is still in its buffer, lead nowhere."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, self._stream.fileno())
        finally:
            os.close(nowhere)

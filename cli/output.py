"""Lossy standard output and error: a closed terminal or a full disk below the log does not end the work.

A write to a closed terminal fails (EIO), and so do those to a pipe without a reader (EPIPE) and to a file on a full
disk (ENOSPC). Inside `lossy_output()` none of them raises, for any writer: `print`, Rich, or Python at its end.
"""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final, TextIO, cast

# Nobody will ever read these again; a full disk, in contrast, may get space again.
_GONE: Final = (errno.EIO, errno.EPIPE, errno.ENXIO, errno.EBADF)


@contextmanager
def lossy_output() -> Iterator[None]:
    """Drop without an error what cannot be written to standard output and error."""
    with ExitStack() as restore:
        for name in ("stdout", "stderr"):
            stream: TextIO = getattr(sys, name)
            lossy = _LossyStream(stream)
            setattr(sys, name, cast(TextIO, lossy))
            restore.callback(setattr, sys, name, stream)
            restore.callback(lossy.finish)
        yield


class _LossyStream:
    """A text stream that drops text it cannot write; everything else is delegated to the stream."""

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
        """Flush; on failure keep the text in the buffer."""
        try:
            self._stream.flush()
        except OSError as error:
            self._failed(error)

    def finish(self) -> None:
        """Flush for the last time: drop what cannot be written, so that the interpreter's exit does not fail."""
        try:
            self._stream.flush()
        except OSError:
            self._divert()

    def _failed(self, error: OSError) -> None:
        if error.errno in _GONE:
            self._divert()

    def _divert(self) -> None:
        """Redirect the stream's descriptor, and so its buffered text, to the null device."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, self._stream.fileno())
        finally:
            os.close(nowhere)

"""Creation of the log's directory: empty, or with the records of a log of format 1, which go on in it."""

import logging
import os
from collections.abc import Callable
from pathlib import Path

from mesh.serving.errors import StartError
from svc_registrar.domain.lines import encode, time_text
from svc_registrar.log.format_one import END_FILE, LOG_FILE, OldLog
from svc_registrar.log.identity import DIRECTORY, SEGMENTS, create, new_directory, new_head, sync_directory

_LOG = logging.getLogger(__name__)


def prepare(state_dir: Path, bot_id: str, content_of: Callable[[bytes], bytes]) -> Path:
    """Return the directory of the state directory's log, and make it if there is none.

    A log of format 1 is copied, record by record, with its id, indexes and times; its file stays, renamed.
    `content_of` gives the content of a line for an event's serialized bytes.

    Raises:
        StartError: the old log is damaged.
        OSError: the directory cannot be used.
    """
    directory, old, end = state_dir / DIRECTORY, state_dir / LOG_FILE, state_dir / END_FILE
    if directory.exists():
        return directory
    if old.exists():
        with new_directory(directory) as beside:
            _copy(old, beside, content_of)
        for path in (old, end):
            if path.exists():
                path.rename(path.with_name(f"{path.name}.migrated"))
    elif end.exists():
        raise StartError(f"{old} is gone, and {end} shows that there was one; put it back, or move {END_FILE} away")
    else:
        with new_directory(directory) as beside:
            create(beside, new_head(bot_id))
    return directory


def _copy(old: Path, directory: Path, content_of: Callable[[bytes], bytes]) -> None:
    with old.open("rb", buffering=1024 * 1024) as file:
        log = OldLog(old, file)
        create(directory, log.head)
        with (directory / SEGMENTS / f"{1:018}.jsonl").open("wb") as segment:
            count = 0
            for record in log.records():
                at = time_text(record.recorded_ns)
                segment.write(encode(content_of(record.body), record.index, record.index - 1, at))
                count = record.index
            segment.flush()
            os.fsync(segment.fileno())
        sync_directory(directory / SEGMENTS)
    _LOG.info("the log was converted to lines", extra={"path": str(old), "events": count})

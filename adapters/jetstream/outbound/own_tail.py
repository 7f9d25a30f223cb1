"""The audit subject's last record: behind messages that others wrote, a channel goes on after its own last one."""

from dataclasses import replace

from nats.aio.client import Client

from adapters.jetstream.client.messages import StoredMessage, get
from adapters.jetstream.verify.audit_log import AuditRecords, Standing

# Messages of the stream, also of other subjects, among which the last record is looked for.
MAX_MESSAGES = 10_000


async def own_tail(client: Client, stream: str, tail: StoredMessage, records: AuditRecords) -> StoredMessage | None:
    """Return the subject's last record, with the stream sequence of the subject's last message; None where it has none.

    1. A message whose event is in the log is the last record, unless the record before it has the same sequence or a
       later one: then it is a copy.
    2. A message in a bridge's form that is not in the log was written by another where this process wrote an earlier
       one; else it may be of a lost log, and is returned: an operator decides.
    3. Every other message was written by another, and is passed over.

    Raises:
        JetStreamError, QikiError: the server or the registrar gives no clear answer now.
    """
    found: StoredMessage | None = None
    found_sequence = 0
    message: StoredMessage | None = tail
    for sequence in range(tail.sequence, max(0, tail.sequence - MAX_MESSAGES), -1):
        if sequence != tail.sequence:
            message = await get(client, stream, sequence)
        if message is None or message.subject != tail.subject:
            continue
        finding = await records.look_up(message)
        if finding.event is None or (finding.standing is Standing.MISSING and records.written.last):
            continue
        if finding.standing is Standing.MISSING:
            return found or replace(message, sequence=tail.sequence)
        if found is not None and finding.event.sequence < found_sequence:
            return found
        found, found_sequence = replace(message, sequence=tail.sequence), finding.event.sequence
        if found_sequence == 1:
            return found
    return found

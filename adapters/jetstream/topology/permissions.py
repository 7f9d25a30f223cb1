"""NATS permissions of every program on the bus, derived from the channels, streams and durables of the BotSpec."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from adapters.jetstream.client.requests import API_PREFIX
from botspec.bus.streams import COMMANDS, DEAD_LETTERS, RESPONSES, Durable
from botspec.sections import Bus

# Replies to requests; each request has its own subject below it.
_INBOX = "_INBOX.>"
_INDENT = "      "


@dataclass(frozen=True, slots=True)
class User:
    """A user of the NATS server: its purpose, and the subjects that it may publish and subscribe to."""

    name: str
    purpose: str
    publish: tuple[str, ...]
    subscribe: tuple[str, ...] = (_INBOX,)


def users(bus: Bus) -> list[User]:
    """Return every user that the BotSpec implies: the adapters, the operator, the pilot, and each user's durable."""
    bot_id = bus.bot.bot_id
    return [
        User("bridge", "adapters.jetstream", tuple(_bridge(bus))),
        User("archive", "adapters.archive", tuple(_archive(bus))),
        User("operator", "qiki nats, qiki replay", (f"{API_PREFIX}>", *_subjects(bus))),
        User(
            "pilot",
            "a sender of commands, which reads the answers",
            (_of_bot(COMMANDS, bot_id),),
            (_INBOX, _of_bot(RESPONSES, bot_id)),
        ),
        *(
            User(durable.name, f"reads its durable on {durable.filter_subject}", tuple(_reading(durable)))
            for durable in bus.durables
            if not durable.is_own
        ),
    ]


def server_config(bus: Bus) -> str:
    """Return the section `authorization` of nats-server's configuration, with passwords from the environment."""
    blocks = "\n".join(_block(user) for user in users(bus))
    return f"authorization {{\n  users: [\n{blocks}\n  ]\n}}\n"


def password_variable(user: str) -> str:
    """Return the environment variable from which nats-server reads the user's password."""
    return f"QIKI_NATS_{user.upper().replace('-', '_')}_PASSWORD"


def _bridge(bus: Bus) -> Iterator[str]:
    yield from (channel.subject for channel in bus.channels)
    yield _of_bot(RESPONSES, bus.bot.bot_id)
    yield DEAD_LETTERS
    yield f"{API_PREFIX}STREAM.LIST"
    for stream in bus.streams:
        yield f"{API_PREFIX}STREAM.INFO.{stream.name}"
        yield f"{API_PREFIX}STREAM.MSG.GET.{stream.name}"
        yield f"{API_PREFIX}CONSUMER.LIST.{stream.name}"
    for durable in bus.durables:
        if durable.is_own:
            yield from _reading(durable)


def _archive(bus: Bus) -> Iterator[str]:
    for stream in sorted(bus.bridged_streams):
        yield f"{API_PREFIX}STREAM.INFO.{stream}"
        yield f"{API_PREFIX}STREAM.MSG.GET.{stream}"
        yield f"{API_PREFIX}CONSUMER.CREATE.{stream}.>"
        yield f"{API_PREFIX}CONSUMER.MSG.NEXT.{stream}.*"
        yield f"{API_PREFIX}CONSUMER.DELETE.{stream}.*"


def _reading(durable: Durable) -> Iterator[str]:
    yield f"{API_PREFIX}CONSUMER.INFO.{durable.stream}.{durable.name}"
    yield f"{API_PREFIX}CONSUMER.MSG.NEXT.{durable.stream}.{durable.name}"
    yield f"$JS.ACK.{durable.stream}.{durable.name}.>"


def _subjects(bus: Bus) -> list[str]:
    """Return the subjects to which an operator sends dead letters again."""
    return [subject for stream in bus.streams for subject in stream.subjects if not subject.startswith("$")]


def _of_bot(pattern: str, bot_id: str) -> str:
    return f"{pattern.removesuffix('>')}{bot_id}"


def _block(user: User) -> str:
    return (
        f"    # {user.purpose}\n"
        f"    {{user: {user.name}, password: ${password_variable(user.name)}, permissions: {{\n"
        f"{_INDENT}publish: {{allow: {_listed(user.publish)}}}\n"
        f"{_INDENT}subscribe: {{allow: {_listed(user.subscribe)}}}\n"
        f"    }}}}"
    )


def _listed(subjects: Sequence[str]) -> str:
    return "[" + ", ".join(f'"{subject}"' for subject in subjects) + "]"

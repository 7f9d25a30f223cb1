"""The demo's check: a run with all messages as emitted passes; any change to one of them is reported."""

import asyncio
import random
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.jetstream.client.connection import connect
from adapters.jetstream.client.messages import StoredMessage
from adapters.jetstream.topology.streams import init
from botspec.channels import Channel
from botspec.example import example_bot_spec
from botspec.model import load_bot_spec
from chain import AUDIT_SUBJECT, RUN_ID, Stored
from cli.demo.checks.event_check import EventCheck
from cli.demo.checks.findings import Findings
from declared import wanted_streams
from finished_run import Streams, altered, finish_run, store_again
from mesh.feeds import identity
from mesh.feeds.token import decode, short_digest
from nats_server import NatsServer
from qiki.radar.v1.radar_pb2 import RadarFrame
from qiki.sim.v1.sensors_pb2 import SensorReading
from run_checking import TIMEOUT_S, Checked, check_messages, check_server, pinned_process

WORLD, SENSORS = "qiki.sim.v1.world", "qiki.sim.v1.sensors"
FRAMES, TRACKS = "qiki.radar.v1.frames", "qiki.radar.v1.tracks"
GUARD = "qiki.events.v1.guard"
SPEC = load_bot_spec(example_bot_spec()).spec
NAMED_BY_THE_EVENT = ("ce-id", "ce-source", "ce-type", "ce-time", "ce-sequence", "ce-run", "qiki-resume-token")
OTHER_RUN = "22222222-2222-4333-8444-555555555555"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Streams:
    return finish_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module", autouse=True)
def process() -> Iterator[ProcessPoolExecutor]:
    with pinned_process() as started:
        _PROCESS.append(started)
        yield started
        _PROCESS.clear()


_PROCESS: list[ProcessPoolExecutor] = []


def check(streams: Streams, run_id: str = RUN_ID) -> tuple[list[str], dict[str, int]]:
    """Return the findings of the demo's check of these messages, and the number of checked messages."""
    (process,) = _PROCESS
    found = process.submit(check_messages, streams, run_id).result(TIMEOUT_S)
    return found.problems, found.summary


def with_(run: Streams, subject: str, messages: Sequence[Stored]) -> Streams:
    return {**run, subject: list(messages)}


def forged(message: Stored, data: bytes) -> Stored:
    """Return the message with another payload and a token made from it, which the digest alone cannot detect."""
    token = replace(decode(message.headers["qiki-resume-token"]), digest=short_digest(data))
    return replace(message, data=data, headers={**message.headers, "qiki-resume-token": token.encode()})


def test_an_unchanged_run_has_no_findings(run: Streams) -> None:
    problems, checked = check(run)
    assert problems == []
    assert len(run[GUARD]) >= 2
    assert checked == {
        "message": sum(map(len, run.values())),
        "track set": len(run[TRACKS]),
        "guard event": len(run[GUARD]),
    }


@pytest.mark.parametrize("subject", [WORLD, SENSORS, FRAMES, TRACKS, GUARD, AUDIT_SUBJECT])
def test_a_payload_that_does_not_match_its_token_is_named(run: Streams, subject: str) -> None:
    messages = run[subject]
    swapped = altered(altered(messages, 0, data=messages[1].data), 1, data=messages[0].data)
    flipped = bytearray(messages[-1].data)
    flipped[len(flipped) // 2] ^= 1
    for name, which, changed in (
        ("blank", 1, altered(messages, 0, data=b"")),
        ("swapped", 1, swapped),
        ("swapped", 2, swapped),
        ("a bit", len(messages), altered(messages, -1, data=bytes(flipped))),
    ):
        problems, _ = check(with_(run, subject, changed))
        found = [text for text in problems if text.startswith(f"{subject}, event {which}: digest: ")]
        assert len(found) == 1, (name, problems)


@pytest.mark.parametrize("subject", [WORLD, SENSORS, FRAMES, TRACKS, GUARD, AUDIT_SUBJECT])
def test_the_payload_of_another_event_is_named_although_its_token_matches(run: Streams, subject: str) -> None:
    messages = run[subject]
    forger = [*messages[:-1], forged(messages[-1], messages[0].data)]
    problems, _ = check(with_(run, subject, forger))
    assert not [text for text in problems if ": digest:" in text]
    which = "id" if subject == AUDIT_SUBJECT else "time"
    assert any(text.startswith(f"{subject}, event {len(messages)}: {which}: ") for text in problems), problems
    problems, _ = check(with_(run, subject, [*messages[:-1], forged(messages[-1], b"")]))
    assert any(text.startswith(f"{subject}, event {len(messages)}: time: ") for text in problems), problems


HEADERS = [
    ("id", {"ce-id": OTHER_RUN, "ce_id": OTHER_RUN}),
    ("source", {"ce-source": "/qiki/other/run/world", "ce_source": "/qiki/other/run/world"}),
    ("type", {"ce-type": "qiki.sim.v1.Other", "ce_type": "qiki.sim.v1.Other"}),
    ("time", {"ce-time": "2026-01-01T00:00:59Z", "ce_time": "2026-01-01T00:00:59Z"}),
    ("token", {"qiki-resume-token": "x"}),
    ("sequence", {"ce-sequence": f"{7:020}"}),
    ("token", {"ce-sequence": f"{7:020}"}),
    ("source", {"ce-run": OTHER_RUN}),
    ("token", {"ce-run": OTHER_RUN}),
]
CASES = [
    *((subject, *case) for subject in (WORLD, AUDIT_SUBJECT) for case in HEADERS),
    (WORLD, "id", {"ce-run": OTHER_RUN}),  # a recorded event has its own id, whatever the run
]


@pytest.mark.parametrize(("subject", "named", "headers"), CASES)
def test_a_header_that_does_not_match_the_event_is_named(
    run: Streams, subject: str, named: str, headers: dict[str, str]
) -> None:
    problems, _ = check(with_(run, subject, altered(run[subject], 2, headers=headers)))
    which = 7 if "ce-sequence" in headers else 3
    assert any(text.startswith(f"{subject}, event {which}: {named}: ") for text in problems), problems


def test_a_token_of_another_feed_is_named(run: Streams) -> None:
    token = run[WORLD][2].headers["qiki-resume-token"]
    problems, _ = check(with_(run, SENSORS, altered(run[SENSORS], 2, headers={"qiki-resume-token": token})))
    assert any(text == f"{SENSORS}, event 3: token: is of another feed." for text in problems)


def test_missing_headers_and_undecodable_payloads_are_named(run: Streams) -> None:
    bare = [replace(message, headers={}) if n == 4 else message for n, message in enumerate(run[SENSORS])]
    problems, _ = check(with_(run, SENSORS, bare))
    assert any(text.startswith(f"{SENSORS}, message 5: header: header ce-id: is missing") for text in problems)
    problems, _ = check(with_(run, SENSORS, altered(run[SENSORS], 4, data=b"\xff")))
    assert any(
        text.startswith(f"{SENSORS}, event 5: payload: is no {SensorReading.DESCRIPTOR.full_name}") for text in problems
    )


@pytest.mark.parametrize(
    ("change", "which", "follows"),
    [
        (lambda messages: messages[1:], 2, "is the first of its run"),
        (lambda messages: [*messages[:3], *messages[4:]], 5, "follows event 3"),
        (lambda messages: [*messages[:3], messages[2], *messages[3:]], 3, "follows event 3"),
        (lambda messages: [*messages[:3], messages[4], messages[3], *messages[5:]], 5, "follows event 3"),
    ],
    ids=["first missing", "one missing", "one twice", "out of order"],
)
def test_missing_duplicate_and_reordered_events_are_named(
    run: Streams, change: Callable[[list[Stored]], list[Stored]], which: int, follows: str
) -> None:
    problems, _ = check(with_(run, WORLD, change(run[WORLD])))
    assert problems[0] == f"{WORLD}, event {which}: sequence: {follows}."


def test_any_flipped_bit_in_a_payload_is_found_without_an_error(run: Streams) -> None:
    rng = random.Random(5)
    for channel in SPEC.channels:
        for message in rng.sample(run[channel.subject], min(20, len(run[channel.subject]))):
            assert findings_of(channel, message) == []
            for _ in range(10):
                data = bytearray(message.data)
                data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
                found = findings_of(channel, replace(message, data=bytes(data)))
                assert any(": digest: " in text for text in found), found


def test_any_header_value_is_checked_without_an_error(run: Streams) -> None:
    rng = random.Random(6)
    for channel in SPEC.channels:
        message = run[channel.subject][1]
        for name in message.headers:
            for text in ("", "x", "%", "%ff", '"', "-1", "9" * 30, "\udcff", "\u0416", message.headers[name] + "0"):
                found = findings_of(channel, replace(message, headers={**message.headers, name: text}))
                given_by_alias = not text and name.replace("ce-", "ce_") in message.headers
                assert name not in NAMED_BY_THE_EVENT or given_by_alias or found, (name, text)
        for name in NAMED_BY_THE_EVENT:
            text = message.headers[name]
            place = rng.randrange(len(text))
            other = f"{text[:place]}{'x' if text[place] != 'x' else 'y'}{text[place + 1 :]}"
            assert findings_of(channel, replace(message, headers={**message.headers, name: other}))


def findings_of(channel: Channel, message: Stored) -> list[str]:
    """Return the findings in one message by itself."""
    findings = Findings()
    stored = StoredMessage(1, channel.subject, message.headers, message.data, 1)
    EventCheck(channel, SPEC.bot.bot_id, "", findings).check(stored)
    return [text for text in findings.sentences() if ": sequence: " not in text]


# -- recomputed events ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("subject", [TRACKS, GUARD])
def test_an_event_that_the_frames_do_not_cause_is_named_although_consistent_in_itself(
    run: Streams, subject: str
) -> None:
    last = run[subject][-1]
    kind = next(channel.type for channel in SPEC.channels if channel.subject == subject)
    assert last.headers["ce-type"] == kind
    data = last.data + b"\xf8\x07\x01"  # field 127, unknown to every message of the API: the known fields are unchanged
    problems, _ = check(with_(run, subject, [*run[subject][:-1], forged(last, data)]))
    number = len(run[subject])
    assert problems == [f"{subject}, event {number}: replay: has other bytes than what the stored frames make."]


@pytest.mark.parametrize("subject", [TRACKS, GUARD])
def test_an_event_that_is_dropped_from_the_end_or_added_is_named(run: Streams, subject: str) -> None:
    messages, count = run[subject], len(run[subject])
    problems, _ = check(with_(run, subject, messages[:-1]))
    assert problems == [f"{subject}, event {count}: replay: the stored frames make {count}, and this is not there."]
    token = replace(decode(messages[-1].headers["qiki-resume-token"]), sequence=count + 1)
    event_id = identity.event_id(RUN_ID, "tracks" if subject == TRACKS else "guard", count + 1)
    headers = {
        **dict.fromkeys(("ce-id", "ce_id"), event_id),
        "ce-sequence": f"{count + 1:020}",
        "qiki-resume-token": token.encode(),
    }
    (more,) = altered(messages[-1:], 0, headers=headers)
    problems, _ = check(with_(run, subject, [*messages, more]))
    assert problems == [f"{subject}, event {count + 1}: replay: the stored frames make no more than {count}."]


def test_a_run_without_any_of_its_guard_events_is_detected(run: Streams) -> None:
    problems, _ = check(with_(run, GUARD, []))
    assert len(problems) == 1
    assert problems[0].startswith(f"{GUARD}, event 1 and {len(run[GUARD]) - 1} more: replay: ")


def test_a_replaced_frame_that_is_consistent_in_itself_is_detected_by_its_tracks(run: Streams) -> None:
    number = next(n for n, message in enumerate(run[FRAMES]) if RadarFrame.FromString(message.data).detections)
    frame = RadarFrame.FromString(run[FRAMES][number].data)
    frame.detections[0].range_m += 1.0
    made = forged(run[FRAMES][number], frame.SerializeToString(deterministic=True))
    frames = [made if n == number else message for n, message in enumerate(run[FRAMES])]
    problems, _ = check(with_(run, FRAMES, frames))
    assert problems
    assert all(text.startswith((TRACKS, GUARD)) and ": replay: " in text for text in problems), problems


def test_after_a_damaged_frame_nothing_is_compared_and_that_is_reported(run: Streams) -> None:
    problems, checked = check(with_(run, FRAMES, altered(run[FRAMES], 9, data=b"")))
    assert problems[-1].endswith("only as far as the frames are: frame 10 is missing, or not as it was written.")
    assert checked["track set"] == 9
    assert not [text for text in problems if text.startswith(TRACKS)]
    problems, checked = check(with_(run, FRAMES, run[FRAMES][:9] + run[FRAMES][10:]))
    assert checked["track set"] == 9


def test_of_many_findings_of_a_kind_the_first_are_named_and_all_counted(run: Streams) -> None:
    blank = [replace(message, data=b"") for message in run[WORLD]]
    problems, _ = check(with_(run, WORLD, blank))
    digests = [text for text in problems if ": digest:" in text]
    assert [text.split(":")[0] for text in digests[:5]] == [f"{WORLD}, event {n}" for n in range(1, 6)]
    assert digests[5:] == [f"{WORLD}: digest: {len(blank) - 5} more."]


def test_another_run_on_the_same_subject_is_checked_separately(run: Streams) -> None:
    rest = {subject: messages[3:] for subject, messages in run.items()}  # the oldest of an earlier run may be gone
    problems, checked = check(rest, OTHER_RUN)
    assert problems == []
    assert checked["track set"] == 0
    assert checked["message"] == sum(map(len, rest.values()))


# -- with a real nats-server ------------------------------------------------------------------------------------------


def test_the_demo_reads_back_and_names_a_message_altered_on_the_server(run: Streams, tmp_path: Path) -> None:
    sensors, guard = run[SENSORS], run[GUARD]
    sabotaged = {
        **run,
        SENSORS: altered(sensors, 4, data=b""),
        GUARD: guard[:-1],
        WORLD: altered(altered(run[WORLD], 6, data=run[WORLD][7].data), 7, data=run[WORLD][6].data),
    }
    whole = asyncio.run(check_on_a_server(tmp_path / "whole", run))
    assert (whole.problems, whole.summary["message"]) == ([], sum(map(len, run.values())))
    found = asyncio.run(check_on_a_server(tmp_path / "sabotaged", sabotaged))
    assert found.summary["message"] == sum(map(len, sabotaged.values()))
    assert [text.partition(": ")[0] for text in found.problems if ": digest: " in text] == [
        f"{WORLD}, event 7",
        f"{WORLD}, event 8",
        f"{SENSORS}, event 5",
    ]
    assert any(text.startswith(f"{GUARD}, event {len(guard)}: replay: ") for text in found.problems)


async def check_on_a_server(directory: Path, streams: Streams) -> Checked:
    """Store the messages on a server of their own, and read them back as the demo does."""
    (process,) = _PROCESS
    async with NatsServer(directory / "nats") as server:
        client = await connect(server.url, "test", lambda _event: None)
        await init(client, wanted_streams(0.1))
        await store_again(client, streams)
        await client.close()
        return await asyncio.wrap_future(process.submit(check_server, server.url))

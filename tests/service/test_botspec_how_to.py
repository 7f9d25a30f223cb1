"""The how-to of docs/botspec.md: a channel is one entry, and so are its stream and a user's durable."""

import re
from pathlib import Path

import pytest

from botspec.example import example_bot_spec
from botspec.model import load_bot_spec
from chain import chain, facts, published_all, read_subject, until

DOCUMENT = Path(__file__).parents[2] / "docs" / "botspec.md"


def entry(kind: str) -> str:
    """Return the how-to's entry of a kind, as it is written in the document."""
    found = re.search(rf"<!-- {kind} -->\n```yaml\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    assert found, f"docs/botspec.md has no entry of a {kind}"
    return found[1]


def extended(directory: Path, *kinds: str) -> Path:
    """Write the example with the how-to's entries under their sections; return the path."""
    text = example_bot_spec().read_text(encoding="utf-8")
    for kind in kinds:
        text = text.replace(f"\n{kind}s:\n", f"\n{kind}s:\n{entry(kind)}", 1)
    path = directory / "my-bot.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.asyncio
async def test_the_documented_channel_stream_and_durable_work_without_a_change_of_code(tmp_path: Path) -> None:
    path = extended(tmp_path, "channel", "stream", "durable")
    added = [channel for channel in load_bot_spec(path).spec.channels if channel.name == "tracks-export"]
    assert len(added) == 1
    async with chain(tmp_path, 4.0, bot_spec=path) as mesh:
        await until(lambda: published_all(mesh), "everything published")
        original = await read_subject(mesh.ports["nats"], "qiki.radar.v1.tracks", "QIKI_RADAR_V1")
        exported = await read_subject(mesh.ports["nats"], added[0].subject, added[0].stream)
        assert [message.data for message in exported] == [message.data for message in original]
        assert exported

        def lag() -> object:
            return facts(mesh, "bridge").get("lag", {}).get("QIKI_EXPORT_V1/export_reader")

        await until(lambda: lag() == len(exported), "the lag of the declared durable, which nothing reads")

"""The two further example bots, each as a whole mesh."""

from pathlib import Path

import pytest

from botspec.example import example_bots
from botspec.model import load_bot_spec
from chain import Stored, chain, published_all, read_all, until
from qiki.radar.v1.radar_pb2 import RadarFrame


async def run(directory: Path, bot_spec: Path) -> dict[str, list[Stored]]:
    async with chain(directory, 5.0, bot_spec=bot_spec) as mesh:
        await until(lambda: published_all(mesh), "everything published")
        return await read_all(mesh)


@pytest.mark.asyncio
@pytest.mark.parametrize("name", ["inspection-craft", "coastal-post"])
async def test_a_mesh_of_an_example_bot_gives_the_same_bytes_twice(tmp_path: Path, name: str) -> None:
    path = example_bots()[name]
    spec = load_bot_spec(path).spec
    first, second = [await run(tmp_path / number, path) for number in ("first", "second")]
    for subject, messages in first.items():
        assert [message.data for message in messages] == [message.data for message in second[subject]]
        assert all(message.headers["ce-source"].startswith(f"/qiki/{spec.bot.bot_id}/") for message in messages)
    frames = [RadarFrame.FromString(message.data) for message in first["qiki.radar.v1.frames"]]
    assert {frame.sensor_id.value for frame in frames} == {str(radar.sensor_id) for radar in spec.radars}
    assert len(first["qiki.radar.v1.tracks"]) >= len(frames)

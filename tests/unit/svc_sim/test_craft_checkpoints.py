"""Checkpoints of the craft: the state comes back in every bit, or not at all."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from craft_bot import Flight, setup
from qiki.common.v1.stream_pb2 import Run
from qiki.sim.v1.commands_pb2 import Command, CommandOutcome, CommandRecord, CommandResult, SetMode
from qiki_sdk.audit import AuditReporter
from svc_sim.craft.run import CraftRun
from svc_sim.domain.craft.orders import FireThruster, SetVelocity, SwitchPower
from svc_sim.domain.scenario.loader import load_scenario
from svc_sim.domain.world import World
from svc_sim.durability.checkpoints import (
    Checkpoint,
    CheckpointDamagedError,
    CheckpointStore,
    decode_state,
    encode_state,
)
from svc_sim.durability.timeline import Timeline

RUN = Run(run_id="7b6f0a3e-2f5c-4f0e-9c41-3a8d2f1e5b00", tick_ns=50_000_000, bot_id="inspector-01")
SCENARIO = Path(__file__).parents[3] / "svc_sim" / "scenarios" / "crossing.yaml"


def flown() -> Flight:
    """A craft with orders under way, a sensor without power and readings."""
    flight = Flight()
    flight.run(
        45,
        FireThruster("thruster-x-plus-1", 33.3, 100),
        SetVelocity((1.0, 2.0, 3.0), 0.1, 1_000),
        SwitchPower("imu-main", on=False),
    )
    return flight


def mode_record(tick: int, number: int = 1) -> CommandRecord:
    command_id = f"00000000-0000-4000-8000-{number:012}"
    result = CommandResult(command_id=command_id, outcome=CommandOutcome.COMMAND_OUTCOME_APPLIED, tick=tick)
    return CommandRecord(command=Command(command_id=command_id, set_mode=SetMode(mode=2)), result=result)


def craft_run(*records: CommandRecord) -> CraftRun:
    timeline = Timeline()
    timeline.add(records)
    return CraftRun(setup(), World(load_scenario(SCENARIO), RUN.run_id, RUN.tick_ns), RUN, timeline)


def restored(store: CheckpointStore, run: CraftRun, at_most: int, journal_bytes: int = 100) -> int:
    run.restore(store, at_most, journal_bytes, AuditReporter("", "test"))
    return run.tick


def test_a_state_in_flight_comes_back_equal_and_is_written_again_in_the_same_bytes() -> None:
    state = flown().state
    data = encode_state(state)
    assert decode_state(data) == state
    assert encode_state(decode_state(data)) == data


@given(value=st.floats(allow_nan=False, allow_infinity=False))
def test_every_finite_float_comes_back_in_every_bit(value: float) -> None:
    state = Flight().state
    state = replace(state, body=replace(state.body, position_m=(value, -value, 0.0)))
    found = decode_state(encode_state(state)).body.position_m
    assert [float.hex(each) for each in found] == [float.hex(each) for each in (value, -value, 0.0)]


def test_a_state_that_is_not_finite_is_never_written() -> None:
    state = Flight().state
    with pytest.raises(ValueError, match="not JSON compliant"):
        encode_state(replace(state, body=replace(state.body, velocity_mps=(float("nan"), 0.0, 0.0))))


def test_a_checkpoint_with_any_bit_flipped_or_cut_short_is_refused(tmp_path: Path) -> None:
    store, flight = CheckpointStore(tmp_path, RUN.run_id), flown()
    store.write(Checkpoint(45, "", 0, flight.state))
    (path,) = (tmp_path / "checkpoints").iterdir()
    data = path.read_bytes()
    places = range(0, len(data), 61)
    flipped = [data[:place] + bytes((data[place] ^ 1,)) + data[place + 1 :] for place in places]
    contents = flipped + [data[:length] for length in places]
    for content in contents:
        path.write_bytes(content)
        with pytest.raises(CheckpointDamagedError):
            store.read(45)


def test_a_restored_craft_goes_on_as_the_one_that_was_never_stopped(tmp_path: Path) -> None:
    store, whole = CheckpointStore(tmp_path, RUN.run_id), craft_run(mode_record(30), mode_record(80, 2))
    for tick in range(1, 101):
        whole.advance(tick)
        if tick == 50:
            store.write(whole.checkpoint(100))
    later = craft_run(mode_record(30), mode_record(80, 2))
    assert restored(store, later, at_most=60) == 50
    for tick in range(51, 101):
        later.advance(tick)
    assert later.state == whole.state
    assert later.checkpoint(0) == whole.checkpoint(0)


def test_the_newest_usable_checkpoint_up_to_the_tick_is_taken(tmp_path: Path) -> None:
    store, run = CheckpointStore(tmp_path, RUN.run_id), craft_run()
    for tick in range(1, 41):
        run.advance(tick)
        if tick % 10 == 0:
            store.write(run.checkpoint(0))
    assert restored(store, craft_run(), at_most=39) == 30
    path = sorted((tmp_path / "checkpoints").iterdir())[2]
    path.write_bytes(b"QIKI-CRAFT 1\n")
    assert restored(store, craft_run(), at_most=39) == 20
    assert restored(store, craft_run(), at_most=9) == 0


@pytest.mark.parametrize(
    ("records", "journal_bytes"),
    [((), 100), ((mode_record(6),), 100), ((mode_record(5, 2),), 100), ((mode_record(5),), 99)],
    ids=["without its command", "at another tick", "another command", "a shorter journal"],
)
def test_a_checkpoint_of_other_commands_than_the_journals_is_not_used(
    tmp_path: Path, records: tuple[CommandRecord, ...], journal_bytes: int
) -> None:
    store, run = CheckpointStore(tmp_path, RUN.run_id), craft_run(mode_record(5))
    for tick in range(1, 11):
        run.advance(tick)
    store.write(run.checkpoint(100))
    assert restored(store, craft_run(mode_record(5)), at_most=10) == 10
    assert restored(store, craft_run(*records), at_most=10, journal_bytes=journal_bytes) == 0


def test_a_checkpoint_of_another_run_is_not_used(tmp_path: Path) -> None:
    run = craft_run()
    run.advance(1)
    CheckpointStore(tmp_path, "00000000-0000-4000-8000-000000000009").write(run.checkpoint(0))
    assert restored(CheckpointStore(tmp_path, RUN.run_id), craft_run(), at_most=10) == 0

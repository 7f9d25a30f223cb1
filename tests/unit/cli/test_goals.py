"""Verdicts on the goals of a scenario, from the events of a run."""

from typing import Any

import pytest

from botspec.example import example_bot_spec
from botspec.model import load_bot_spec
from cli.runs.scenario.goals.energy_goals import BrownOutJudge, ChargeJudge
from cli.runs.scenario.goals.flight_goals import ClearanceJudge, ReachJudge, nearest_on_line
from cli.runs.scenario.goals.needs import goal_needs
from cli.runs.scenario.goals.track_goals import AlarmJudge, ContinuityJudge, IdentityJudge
from qiki.common.v1.geometry_pb2 import UUID, Pose, Vector3, Vector3d
from qiki.radar.v1.track_pb2 import FriendFoe, RadarTrack, RadarTrackStatus, TrackSet
from qiki.sim.v1.world_pb2 import Contact, WorldSnapshot
from qiki.tracker.v1.guard_pb2 import GuardEvent, GuardPhase
from svc_sim.domain.scenario.goals import Alarm, ChargeAbove, Identified, KeepClear, NoBrownOut, Reach, TrackContinuity

SPEC = load_bot_spec(example_bot_spec()).spec
TRACKED = RadarTrackStatus.RADAR_TRACK_STATUS_TRACKED
TENTATIVE = RadarTrackStatus.RADAR_TRACK_STATUS_NEW


def world(own_m: tuple[float, float, float], **contacts: tuple[float, float, float]) -> WorldSnapshot:
    return WorldSnapshot(
        own_ship=Pose(position=_vector(own_m)),
        contacts=[Contact(name=name, position=_vector(point_m)) for name, point_m in contacts.items()],
    )


def track_set(sequence: int, *tracks: tuple[str, float, RadarTrackStatus.ValueType], **more: Any) -> TrackSet:
    """Return a set of tracks, each given by its id, its position to the east, and its status."""
    found = [
        RadarTrack(track_id=UUID(value=own), position=Vector3(x=east_m), status=status, **more)
        for own, east_m, status in tracks
    ]
    return TrackSet(frame_sequence=sequence, tracks=found)


def _vector(point_m: tuple[float, float, float]) -> Vector3d:
    return Vector3d(x=point_m[0], y=point_m[1], z=point_m[2])


def test_the_distance_to_a_contact_is_measured_between_snapshots_too() -> None:
    judge = ClearanceJudge(KeepClear(kind="keep_clear", distance_m=100.0))
    judge.take(world((0.0, 0.0, 0.0), a=(-300.0, 40.0, 0.0)), 0.1)
    judge.take(world((0.0, 0.0, 0.0), a=(300.0, 40.0, 0.0)), 0.2)
    verdict = judge.verdict()
    assert not verdict.passed
    assert verdict.measured == "nearest: 40 m to a at 0.2 s"


def test_only_the_named_contacts_count() -> None:
    judge = ClearanceJudge(KeepClear(kind="keep_clear", distance_m=100.0, of=("b",)))
    judge.take(world((0.0, 0.0, 0.0), a=(5.0, 0.0, 0.0), b=(0.0, 0.0, 100.0)), 0.1)
    assert judge.verdict().passed, "at the distance it is still clear"


def test_a_contact_that_vanishes_and_returns_is_not_joined_by_a_line() -> None:
    judge = ClearanceJudge(KeepClear(kind="keep_clear", distance_m=100.0))
    judge.take(world((0.0, 0.0, 0.0), a=(-300.0, 0.0, 0.0)), 0.1)
    judge.take(world((0.0, 0.0, 0.0)), 0.2)
    judge.take(world((0.0, 0.0, 0.0), a=(300.0, 0.0, 0.0)), 0.3)
    assert judge.verdict().passed


def test_the_nearest_point_of_a_line_may_be_an_end() -> None:
    assert nearest_on_line((3.0, 4.0, 0.0), (6.0, 8.0, 0.0)) == pytest.approx(5.0)
    assert nearest_on_line((3.0, 4.0, 0.0), (3.0, 4.0, 0.0)) == pytest.approx(5.0)


def test_a_position_counts_as_reached_up_to_its_time_only() -> None:
    goal = Reach(kind="reach", position_m=(100.0, 0.0, 0.0), radius_m=10.0, by_s=5.0)
    late, early = ReachJudge(goal), ReachJudge(goal)
    for time_s, east_m in ((4.0, 50.0), (5.1, 100.0)):
        late.take(world((east_m, 0.0, 0.0)), time_s)
    for time_s, east_m in ((4.9, 91.0), (5.1, 500.0)):
        early.take(world((east_m, 0.0, 0.0)), time_s)
    assert (late.verdict().passed, late.verdict().measured) == (False, "nearest: 50 m")
    assert (early.verdict().passed, early.verdict().measured) == (True, "reached at 4.9 s")


def continuity(*sets: TrackSet, **goal: Any) -> Any:
    judge = ContinuityJudge(TrackContinuity(kind="track_continuity", contact="a", within_m=50.0, **goal))
    for each in sets:
        judge.take(each, float(each.frame_sequence))
        judge.take(world((0.0, 0.0, 0.0), a=(1000.0, 0.0, 0.0), b=(0.0, 0.0, 0.0)), float(each.frame_sequence))
    return judge.verdict()


def test_continuity_is_the_share_of_sets_with_a_confirmed_track_near_the_contact() -> None:
    sets = (
        track_set(1, ("t", 1000.0, TENTATIVE)),
        track_set(2, ("t", 1010.0, TRACKED), ("u", 0.0, TRACKED)),
        track_set(3, ("t", 1060.0, TRACKED)),
        track_set(4, ("t", 1049.0, TRACKED)),
    )
    assert continuity(*sets, min_share=0.5).passed
    assert not continuity(*sets, min_share=0.51).passed
    assert continuity(*sets, min_share=0.66, from_s=2.0).passed
    assert continuity(*sets, min_share=0.5).measured == "in 50.0% of 4, 0 changes"


def test_a_change_of_the_track_is_counted_also_across_a_gap() -> None:
    sets = (track_set(1, ("t", 1000.0, TRACKED)), track_set(2), track_set(3, ("u", 1000.0, TRACKED)))
    assert not continuity(*sets, min_share=0.5).passed
    assert continuity(*sets, min_share=0.5, max_changes=1).passed


def test_a_contact_in_no_set_is_not_tracked() -> None:
    assert not continuity(min_share=0.0).passed


@pytest.mark.parametrize(("by_s", "passed", "measured"), [(2.0, True, "at 2.0 s"), (1.0, False, "last it was UNKNOWN")])
def test_a_contact_is_identified_once_its_nearest_track_is(by_s: float, passed: bool, measured: str) -> None:
    judge = IdentityJudge(Identified(kind="identified", contact="a", iff="FOE", by_s=by_s))
    for sequence, iff in ((1, FriendFoe.FRIEND_FOE_UNKNOWN), (2, FriendFoe.FRIEND_FOE_FOE)):
        judge.take(world((0.0, 0.0, 0.0), a=(1000.0, 0.0, 0.0)), float(sequence))
        judge.take(track_set(sequence, ("t", 1000.0, TRACKED), iff=iff), float(sequence))
    assert (judge.verdict().passed, judge.verdict().measured) == (passed, measured)


@pytest.mark.parametrize(
    ("raised", "by_s", "passed"), [(True, 5.0, True), (True, 4.0, False), (False, 4.0, True), (False, None, False)]
)
def test_an_alarm_is_judged_by_its_rule_and_time(raised: bool, by_s: float | None, passed: bool) -> None:
    judge = AlarmJudge(Alarm(kind="alarm", rule="spoofing", raised=raised, by_s=by_s))
    judge.take(GuardEvent(rule="spoofing", phase=GuardPhase.GUARD_PHASE_CLEARED), 1.0)
    judge.take(GuardEvent(rule="collision", phase=GuardPhase.GUARD_PHASE_RAISED), 1.0)
    judge.take(GuardEvent(rule="spoofing", phase=GuardPhase.GUARD_PHASE_RAISED), 5.0)
    assert judge.verdict().passed is passed


class Energy:
    """A state of the power, as far as its goals are concerned."""

    def __init__(self, stored_j: float, *, brown_out: bool = False) -> None:
        self.stored_j, self.capacity_j, self.brown_out = stored_j, 100.0, brown_out


def test_power_is_judged_by_its_worst_moment_and_never_without_a_measurement() -> None:
    out, charge = BrownOutJudge(), ChargeJudge(ChargeAbove(kind="charge_above", fraction=0.2))
    assert not out.verdict().passed
    assert not charge.verdict().passed
    for time_s, energy in enumerate([Energy(50.0), Energy(20.0), Energy(60.0)]):
        out.take(energy, float(time_s))
        charge.take(energy, float(time_s))
    assert out.verdict().passed
    assert (charge.verdict().passed, charge.verdict().measured) == (True, "least: 20.0% at 1.0 s")
    out.take(Energy(0.0, brown_out=True), 3.0)
    charge.take(Energy(19.0), 3.0)
    assert out.verdict().measured == "the first began at 3.0 s"
    assert not charge.verdict().passed


def test_a_goal_that_the_bot_cannot_be_measured_by_is_refused() -> None:
    without_power = SPEC.model_copy(
        update={"channels": tuple(each for each in SPEC.channels if not each.type.endswith("EnergyStatus"))}
    )
    assert [field for field, _why in goal_needs(NoBrownOut(kind="no_brown_out"), without_power)] == [("kind",)]
    assert [field for field, _why in goal_needs(Alarm(kind="alarm", rule="x"), SPEC)] == [("rule",)]
    assert list(goal_needs(Alarm(kind="alarm", rule="spoofing"), SPEC)) == []

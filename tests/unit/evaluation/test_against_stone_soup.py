"""The metrics are those of Stone Soup 1.9.1, parts included, on scenes drawn from fixed seeds."""

import datetime
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from stonesoup.dataassociator.tracktotrack import TrackToTruth
from stonesoup.measures import Euclidean
from stonesoup.metricgenerator.clearmotmetrics import ClearMotMetrics
from stonesoup.metricgenerator.manager import MultiManager
from stonesoup.metricgenerator.ospametric import GOSPAMetric, OSPAMetric
from stonesoup.metricgenerator.tracktotruthmetrics import IDSIAPMetrics
from stonesoup.types.association import AssociationSet, SingleTimeAssociation
from stonesoup.types.groundtruth import GroundTruthPath, GroundTruthState
from stonesoup.types.state import State
from stonesoup.types.track import Track

from evaluation.gospa import gospa, ospa
from evaluation.identity import IdentityCounts, identity_counts
from evaluation.picture import Objects, Picture, nearest
from evaluation.siap import Siap, siap
from evaluation.switches import IdSwitches

SIX_DECIMALS = 5e-7
START = datetime.datetime(2024, 1, 1)
C_M = 100.0
SCANS = 25
POSITION, VELOCITY = (0, 2), (1, 3)
APART = np.array([5_000.0, 0.0, 0.0, 0.0])
MEASURE = Euclidean(mapping=POSITION)


@dataclass(frozen=True, slots=True, eq=False)
class Path:
    """A target or a track: its states (n, 4) (x, vx, y, vy) from a scan on, and its identity."""

    name: str
    begin: int
    states: np.ndarray[Any, np.dtype[np.float64]]
    identity: str

    def at(self, scan: int) -> Any:
        return self.states[scan - self.begin] if self.begin <= scan < self.begin + len(self.states) else None


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """Targets and tracks over the times of the scans."""

    times_s: tuple[float, ...]
    truth: tuple[Path, ...]
    tracks: tuple[Path, ...]

    def pictures(self) -> list[Picture]:
        scans = range(len(self.times_s))
        return [Picture(objects(self.truth, scan), objects(self.tracks, scan)) for scan in scans]

    def manager(self, **of_manager: Any) -> MultiManager:
        """The same scene as Stone Soup's ground truth and tracks."""
        manager = MultiManager(**of_manager)
        truth = {self._path(GroundTruthPath, GroundTruthState, path) for path in self.truth}
        manager.add_data(
            {"groundtruth_paths": truth, "tracks": {self._path(Track, State, path) for path in self.tracks}}
        )
        return manager

    def _path(self, kind: Any, state: Any, path: Path) -> Any:
        metadata = {"identity": path.identity or None}
        extra = {"metadata": metadata} if state is GroundTruthState else {}
        states = [
            state(one, timestamp=self.timestamp(path.begin + number), **extra) for number, one in enumerate(path.states)
        ]
        return kind(states, id=path.name) if extra else kind(states, id=path.name, init_metadata=metadata)

    def timestamp(self, scan: int) -> datetime.datetime:
        return START + datetime.timedelta(seconds=self.times_s[scan])


def objects(paths: tuple[Path, ...], scan: int) -> Objects:
    there = [(path.name, state) for path in paths if (state := path.at(scan)) is not None]
    states = np.array([state for _, state in there], dtype=np.float64).reshape(-1, 4)
    return Objects([name for name, _ in there], states[:, POSITION], states[:, VELOCITY])


def scene(seed: int, count: int = 6, spread_m: float = 400.0) -> Scene:
    """Targets that appear, cross and disappear; tracks that follow one, switch to another, or follow none."""
    rng = np.random.default_rng(seed)
    steps_s = rng.uniform(0.5, 2.0, SCANS)
    truth = tuple(
        Path(f"target-{number}", begin, walk(rng, length, spread_m), str(rng.choice(["", "alpha", f"own-{number}"])))
        for number in range(count)
        # One target is always present: Stone Soup has no entry for times without any.
        for begin, length in [span(rng) if number else (0, SCANS)]
    )
    tracks = []
    for number in range(count * 2):
        begin, length = span(rng)
        followed = [truth[rng.integers(count)] for _ in range(2)]
        change, error_m = rng.integers(length), rng.uniform(5.0, 90.0)
        wandering = walk(rng, length, spread_m)
        states = np.array(
            [
                wandering[step]
                if (at := followed[int(step > change)].at(begin + step)) is None
                # Now and then it strays beyond any association, and comes back.
                else at + rng.normal(0.0, error_m * (5.0 if rng.random() < 0.08 else 1.0), 4) / 2.0
                for step in range(length)
            ]
        )
        tracks.append(Path(f"track-{number}", begin, states, str(rng.choice(["", "alpha", followed[0].identity]))))
    return Scene(tuple(np.cumsum(steps_s).round(6).tolist()), truth, tuple(tracks))


def span(rng: Any) -> tuple[int, int]:
    begin = int(rng.integers(0, SCANS // 2))
    return begin, int(rng.integers(3, SCANS - begin + 1))


def walk(rng: Any, length: int, spread_m: float) -> Any:
    start = rng.uniform(-spread_m, spread_m, 4) * (1.0, 0.1, 1.0, 0.1)
    return start + np.cumsum(rng.normal(0.0, 15.0, (length, 4)), axis=0)


def quiet(seed: int) -> Scene:
    """Targets far apart, and tracks that each stay near one target, one after another or simultaneously."""
    rng = np.random.default_rng(seed)
    truth, tracks = [], []
    for number in range(6):
        begin, length = span(rng)
        states = number * APART + walk(rng, length, 10.0)
        truth.append(Path(f"target-{number}", begin, states, f"own-{number}"))
        for _ in range(rng.integers(0, 4)):
            first, last = sorted(rng.choice(length, 2, replace=False).tolist())
            near = states[first : last + 1] + rng.uniform(-15.0, 15.0, 4)
            tracks.append(Path(f"track-{len(tracks)}", begin + first, near, ""))
    times_s = np.cumsum(rng.uniform(0.5, 2.0, SCANS)).round(6)
    tracks.append(Path("false", 0, np.full((SCANS, 4), -9_000.0), ""))
    return Scene(tuple(times_s.tolist()), tuple(truth), tuple(tracks))


# --- GOSPA and OSPA -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("p", [1.0, 2.0, 3.0])
@pytest.mark.parametrize("seed", range(8))
def test_gospa_and_its_parts_agree_with_stone_soup(seed: int, p: float) -> None:
    drawn = scene(seed)
    generator = GOSPAMetric(p=p, c=C_M, measure=MEASURE)
    theirs = drawn.manager(generators=[generator]).generate_metrics()["gospa_generator"]["GOSPA Metrics"].value
    for picture, their in zip(drawn.pictures(), theirs, strict=True):
        ours = gospa(picture.truth.position_m, picture.tracks.position_m, C_M, p)
        assert ours.total == pytest.approx(their.value["distance"], abs=SIX_DECIMALS)
        for part in ("localisation", "missed", "false"):
            assert getattr(ours, part) == pytest.approx(float(their.value[part]), rel=1e-12, abs=SIX_DECIMALS), part


@pytest.mark.parametrize("seed", range(8))
def test_ospa_of_order_one_agrees_with_stone_soup(seed: int) -> None:
    for ours, theirs in ospa_both(scene(seed), 1.0):
        assert ours == pytest.approx(theirs, abs=SIX_DECIMALS)


@pytest.mark.parametrize("seed", range(8))
def test_ospa_of_higher_order_agrees_with_stone_soup_without_ambiguity(seed: int) -> None:
    for ours, theirs in ospa_both(quiet(seed), 2.0):
        assert ours == pytest.approx(theirs, abs=SIX_DECIMALS)


@pytest.mark.parametrize("seed", range(8))
def test_ospa_is_the_minimum_of_its_definition_where_stone_soup_assigns_by_distances(
    seed: int,
) -> None:
    metric = OSPAMetric(c=C_M, p=2.0, measure=MEASURE)
    drawn = scene(seed)
    manager = drawn.manager()
    for scan, (ours, theirs) in enumerate(ospa_both(drawn, 2.0)):
        now = drawn.timestamp(scan)
        sets = (manager.states_sets["tracks"], manager.states_sets["groundtruth_paths"])
        states = [[state for path in paths for state in path if state.timestamp == now] for paths in sets]
        powers = metric.compute_cost_matrix(*states, complete=True) ** 2.0
        assert ours == pytest.approx(np.sqrt(powers[linear_sum_assignment(powers)].mean()), abs=SIX_DECIMALS)
        assert ours <= theirs + SIX_DECIMALS


def ospa_both(drawn: Scene, p: float) -> list[tuple[float, float]]:
    """Ours and Stone Soup's, scan by scan."""
    generator = OSPAMetric(c=C_M, p=p, measure=MEASURE)
    theirs = drawn.manager(generators=[generator]).generate_metrics()["ospa_generator"]["OSPA distances"].value
    ours = [ospa(one.truth.position_m, one.tracks.position_m, C_M, p) for one in drawn.pictures()]
    return list(zip(ours, (their.value for their in theirs), strict=True))


# --- SIAP -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """Stone Soup's associations and metrics of a scene, and ours from the same associations."""

    theirs: dict[str, Any]
    associations: AssociationSet
    ours: Siap
    identities: tuple[IdentityCounts, ...]


@cache
def measured(seed: int, is_quiet: bool) -> Measured:
    return measure(quiet(seed), 2, 1) if is_quiet else measure(scene(seed), 3, 2)


def measure(drawn: Scene, pairs_confirm: int, misses_end: int) -> Measured:
    generator = IDSIAPMetrics(
        position_measure=Euclidean(mapping=POSITION),
        velocity_measure=Euclidean(mapping=VELOCITY),
        truth_id="identity",
        track_id="identity",
    )
    associator = TrackToTruth(
        association_threshold=C_M,
        measure=MEASURE,
        consec_pairs_confirm=pairs_confirm,
        consec_misses_end=misses_end,
    )
    manager = drawn.manager(generators=[generator], associator=associator)
    metrics = manager.generate_metrics()["Id_siap_generator"]
    pictures = drawn.pictures()
    pairs = [rows(manager.association_set, picture, drawn.timestamp(scan)) for scan, picture in enumerate(pictures)]
    identity = {path.name: path.identity for path in (*drawn.truth, *drawn.tracks)}
    identities = tuple(
        identity_counts([identity[own] for own in one.truth.ids], [identity[own] for own in one.tracks.ids], of_one)
        for one, of_one in zip(pictures, pairs, strict=True)
    )
    theirs = {title: metric.value for title, metric in metrics.items()}
    return Measured(theirs, manager.association_set, siap(drawn.times_s, pictures, pairs), identities)


def rows(associations: AssociationSet, picture: Picture, now: datetime.datetime) -> Any:
    """Stone Soup's associations at a time as rows of the picture."""
    found = []
    for association in associations.associations_at_timestamp(now):
        truth, track = sorted((one.id for one in association.objects), key=lambda own: own.startswith("track"))
        found.append((picture.truth.ids.index(truth), picture.tracks.ids.index(track)))
    return np.array(found, dtype=np.intp).reshape(-1, 2)


def same(ours: float | None, theirs: float, stand_in: float = 0.0) -> bool:
    """Where there is nothing to divide by, Stone Soup has a number and we have none."""
    return abs((stand_in if ours is None else ours) - theirs) < SIX_DECIMALS


SEEDS = range(20)
SIAP_TITLES = (
    ("Completeness", "completeness", 0.0),
    ("Ambiguity", "ambiguity", 1.0),
    ("Spuriousness", "spuriousness", 0.0),
    ("Position Accuracy", "position_accuracy_m", 0.0),
    ("Velocity Accuracy", "velocity_accuracy_mps", 0.0),
)


@pytest.mark.parametrize("is_quiet", [False, True])
@pytest.mark.parametrize("seed", SEEDS)
def test_the_attributes_per_scan_and_overall_agree_with_stone_soup(seed: int, is_quiet: bool) -> None:
    found = measured(seed, is_quiet)
    assert found.ours.overall.assigned > 0
    for title, name, stand_in in SIAP_TITLES:
        assert same(getattr(found.ours.overall, name), found.theirs[f"SIAP {title}"], stand_in), title
        theirs = found.theirs[f"SIAP {title} at times"]
        assert len(theirs) == len(found.ours.at_times)
        for ours, their in zip(found.ours.at_times, theirs, strict=True):
            assert same(getattr(ours, name), their.value, stand_in), title


@pytest.mark.parametrize("is_quiet", [False, True])
@pytest.mark.parametrize("seed", SEEDS)
def test_the_longest_segment_agrees_with_stone_soup(seed: int, is_quiet: bool) -> None:
    found = measured(seed, is_quiet)
    assert same(found.ours.continuity.longest_segment, found.theirs["SIAP Longest Track Segment"])


@pytest.mark.parametrize("is_quiet", [False, True])
@pytest.mark.parametrize("seed", SEEDS)
def test_the_track_change_rate_agrees_with_stone_soup_unless_its_search_stops_early(seed: int, is_quiet: bool) -> None:
    found = measured(seed, is_quiet)
    theirs = found.theirs["SIAP Rate of Track Number Change"]
    if (seed, is_quiet) in BREAKS_OFF:
        assert (found.ours.continuity.track_change_rate_hz or 0.0) > theirs + SIX_DECIMALS
    else:
        assert same(found.ours.continuity.track_change_rate_hz, theirs)


BREAKS_OFF = ((12, True), (19, True))


def test_all_segments_count_where_the_search_of_stone_soup_stops_early() -> None:
    found = measure(followed((0, 3), (2, 4), (6, 8)), 2, 1)
    assert found.ours.continuity.track_changes == 2
    assert found.theirs["SIAP Rate of Track Number Change"] == pytest.approx(1 / found.ours.continuity.tracked_s)


def test_the_fewest_segments_count_where_stone_soup_takes_the_track_seen_last() -> None:
    target = np.zeros((10, 4))
    returning = target.copy()
    returning[3:8] += 1_000.0
    tracks = (Path("track-returning", 0, returning, ""), Path("track-staying", 0, target[:6], ""))
    found = measure(Scene(tuple(map(float, range(10))), (Path("target", 0, target, ""),), tracks), 2, 1)
    assert found.ours.continuity.track_changes == 1
    assert found.theirs["SIAP Rate of Track Number Change"] == pytest.approx(2 / found.ours.continuity.tracked_s)


def followed(*spans: tuple[int, int]) -> Scene:
    """A static target, and tracks on it between given times."""
    tracks = tuple(
        Path(f"track-{n}", first, np.zeros((last + 1 - first, 4)), "") for n, (first, last) in enumerate(spans)
    )
    return Scene(tuple(map(float, range(10))), (Path("target", 0, np.zeros((10, 4)), ""),), tracks)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_identity_measures_agree_with_stone_soup(seed: int) -> None:
    found = measured(seed, False)
    overall = sum(found.identities, IdentityCounts(0, 0, 0, 0))
    assert overall.tracked == found.ours.overall.tracked
    for title in ("Completeness", "Correctness", "Ambiguity"):
        assert same(getattr(overall, title.lower()), found.theirs[f"SIAP ID {title}"]), title
        theirs = found.theirs[f"SIAP ID {title} at times"]
        for ours, their in zip(found.identities, theirs, strict=True):
            assert same(getattr(ours, title.lower()), their.value), title


@pytest.mark.parametrize("seed", SEEDS)
def test_unambiguous_tracks_are_associated_as_by_stone_soup(seed: int) -> None:
    drawn, found = quiet(seed), measured(seed, True)
    for scan, picture in enumerate(drawn.pictures()):
        theirs = rows(found.associations, picture, drawn.timestamp(scan))
        assert sorted(map(tuple, nearest(picture, C_M).tolist())) == sorted(map(tuple, theirs.tolist()))


# --- identity switches ----------------------------------------------------------------------------------------------


def relay(seed: int) -> Scene:
    """Targets in a row, each followed at all times by one track, which is sometimes replaced by another."""
    rng = np.random.default_rng(seed)
    truth, tracks = [], []
    for number in range(4):
        states = number * APART + walk(rng, SCANS, 10.0)
        truth.append(Path(f"target-{number}", 0, states, ""))
        changes = sorted(rng.choice(np.arange(1, SCANS), rng.integers(0, 6), replace=False).tolist())
        for first, end in pairwise([0, *changes, SCANS]):
            tracks.append(Path(f"track-{len(tracks)}", first, states[first:end] + 5.0, ""))
    return Scene(tuple(map(float, range(SCANS))), tuple(truth), tuple(tracks))


@pytest.mark.parametrize("seed", range(8))
def test_switches_are_the_mismatches_of_stone_soup_for_targets_tracked_without_gaps(seed: int) -> None:
    drawn = relay(seed)
    manager = drawn.manager()
    paths = {path.id: path for key in ("groundtruth_paths", "tracks") for path in manager.states_sets[key]}
    counter, associations = IdSwitches(), set()
    for scan, picture in enumerate(drawn.pictures()):
        pairs = gospa(picture.truth.position_m, picture.tracks.position_m, C_M).pairs
        targets, tracks = (
            [side.ids[row] for row in pairs[:, of]] for of, side in enumerate((picture.truth, picture.tracks))
        )
        counter.take(targets, tracks)
        associations |= {
            SingleTimeAssociation({paths[target], paths[track]}, timestamp=drawn.timestamp(scan))
            for target, track in zip(targets, tracks, strict=True)
        }
    manager.association_set = AssociationSet(associations)
    _, mota = ClearMotMetrics(distance_measure=MEASURE).compute_metric(manager)
    # Nothing is missed and nothing false: only mismatches reduce the accuracy.
    mismatches = (1.0 - mota.value) * len(drawn.truth) * SCANS
    assert counter.switches == pytest.approx(mismatches, abs=SIX_DECIMALS)
    assert counter.switches == len(drawn.tracks) - len(drawn.truth)
    assert counter.breaks == 0

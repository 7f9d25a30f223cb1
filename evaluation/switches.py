"""Identity switches and breaks: changes and interruptions of the track of a target."""

from collections.abc import Collection, Hashable, Sequence


class IdSwitches:
    """Identity switches and breaks, counted scan by scan from pairs of targets and tracks.

    A switch is a target with another track, in a scan, than its last one, however long ago that was: the mismatches of
    CLEAR MOT (Bernardin and Stiefelhagen, "Evaluating multiple object tracking performance: the CLEAR MOT metrics",
    EURASIP J. on Image and Video Processing, 2008; IDSW in the MOT benchmarks). A break is a target tracked again after
    one or more scans without a track: the fragmentations of the MOT benchmarks (Milan et al., "MOT16: a benchmark for
    multi-object tracking", 2016). One scan can be both; a target that is never tracked again has no further switch or
    break.

    The pairs are the caller's; those of `gospa` minimise the distances of each scan alone, whereas CLEAR MOT keeps the
    pairs of the scan before as long as they are near enough, so that targets within the cut-off of each other may count
    more switches here. Stone Soup 1.9.1 compares with the scan before only, and counts no switch across a gap.
    """

    __slots__ = ("_interrupted", "_last_track", "breaks", "switches")

    def __init__(self) -> None:
        self.switches = 0
        self.breaks = 0
        self._last_track: dict[Hashable, Hashable] = {}
        self._interrupted: set[Hashable] = set()

    def take(
        self,
        truth_ids: Sequence[Hashable],
        track_ids: Sequence[Hashable],
        present: Collection[Hashable] | None = None,
    ) -> None:
        """Count the next scan, of pairs of a target and its track at the same position of the two sequences.

        `present` lists the targets that could be tracked: the absence of others is no interruption. Without it, all
        targets ever tracked are present. Raises ValueError naming the argument, and counts nothing then.
        """
        if len(track_ids) != len(truth_ids):
            raise ValueError(f"track_ids must be as many as truth_ids, {len(truth_ids)}, not {len(track_ids)}")
        tracked = dict(zip(truth_ids, track_ids, strict=True))
        if len(tracked) != len(truth_ids):
            raise ValueError("truth_ids must have each target at most once in a scan")
        if len(set(track_ids)) != len(track_ids):
            raise ValueError("track_ids must have each track at most once in a scan")
        for target, track in tracked.items():
            self.switches += self._last_track.get(target, track) != track
            self.breaks += target in self._interrupted
        present_targets = self._last_track.keys() if present is None else self._last_track.keys() & set(present)
        self._interrupted = (self._interrupted | present_targets) - tracked.keys()
        self._last_track.update(tracked)

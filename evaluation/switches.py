"""How often what follows a thing is no longer the same track, or nothing for a while."""

from collections.abc import Collection, Hashable, Sequence


class IdSwitches:
    """Identity switches and breaks, counted scan by scan from pairs of things and the tracks that follow them.

    A switch is a thing's having, in a scan, another track than the last it had, however long ago that was: the
    mismatches of CLEAR MOT (Bernardin and Stiefelhagen, "Evaluating multiple object tracking performance: the CLEAR MOT
    metrics", EURASIP J. on Image and Video Processing, 2008; IDSW in the MOT benchmarks). A break is its being followed
    again after one scan or more in which nothing followed it: the fragmentations of the MOT benchmarks (Milan et al.,
    "MOT16: a benchmark for multi-object tracking", 2016). It can be both at once; a thing that is never followed again
    has no more of either.

    The pairs are the caller's; those of `gospa` minimise the distances of each scan alone, whereas CLEAR MOT keeps the
    pairs of the scan before as long as they are near enough, so that tracks of things within the cut-off may count more
    switches here. Stone Soup 1.9.1 compares with the scan before only: there, a switch across a gap is none.
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
        """Take the pairs of the next scan: a thing and its track in the same place of the two, each named once.

        `present` names the things that were there to be followed: the absence of others interrupts nothing. Without it,
        all that were ever followed are taken to be there. Raises ValueError, which begins with the argument's name, and
        then counts nothing.
        """
        if len(track_ids) != len(truth_ids):
            raise ValueError(f"track_ids must be as many as truth_ids, {len(truth_ids)}, not {len(track_ids)}")
        followed = dict(zip(truth_ids, track_ids, strict=True))
        if len(followed) != len(truth_ids):
            raise ValueError("truth_ids name a thing twice in one scan")
        if len(set(track_ids)) != len(track_ids):
            raise ValueError("track_ids name a track twice in one scan")
        for thing, track in followed.items():
            self.switches += self._last_track.get(thing, track) != track
            self.breaks += thing in self._interrupted
        there = self._last_track.keys() if present is None else self._last_track.keys() & set(present)
        self._interrupted = (self._interrupted | there) - followed.keys()
        self._last_track.update(followed)

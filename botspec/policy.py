"""Identity policy and guard rules: how the bot identifies others, and which alarms it raises."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from botspec.base import Spec, refuse
from botspec.yaml_core import Loc

MAX_IDENTITIES = 500
MAX_GUARD_RULES = 32
MAX_SPAN_S = 86_400.0

ObjectTypeName = Literal["drone", "ship", "station", "asteroid", "debris", "aircraft"]
SeverityName = Literal["INFO", "WARNING", "ERROR", "CRITICAL"]
# One to 64 printable characters; a final `*` matches every identity that starts with the rest.
Pattern = Annotated[str, Field(pattern=r"^[!-)+-~]([ -)+-~]{0,62}[!-~])?$")]
Count = Annotated[int, Field(ge=1, le=1_000)]
Span = Annotated[float, Field(ge=0, le=MAX_SPAN_S)]
PositiveSpan = Annotated[float, Field(gt=0, le=MAX_SPAN_S)]
Distance = Annotated[float, Field(gt=0, le=1e9)]
Speed = Annotated[float, Field(ge=0, le=1e6)]
Share = Annotated[float, Field(ge=0, le=1)]


class FoeIdentity(Spec):
    """An identity of a foe and the kinematic limits of its platform; an omitted limit is unknown."""

    identity: Pattern
    min_speed_mps: Speed = 0.0
    max_speed_mps: Annotated[float, Field(gt=0, le=1e6)] | None = None
    max_acceleration_mps2: Annotated[float, Field(gt=0, le=1e6)] | None = None
    object_type: ObjectTypeName | None = None

    @model_validator(mode="after")
    def _check_speeds(self) -> Self:
        if self.max_speed_mps is not None and self.min_speed_mps >= self.max_speed_mps:
            message = f"should be less than max_speed_mps, which is {self.max_speed_mps!r}"
            refuse(type(self).__name__, [(("min_speed_mps",), message)])
        return self


class FriendIdentity(FoeIdentity):
    """An identity of a friend. Its maximum speed is required: a name alone does not make a friend."""

    max_speed_mps: Annotated[float, Field(gt=0, le=1e6)]


class HostileApproach(Spec):
    """Criteria that classify a target without replies as a foe: range, closing speed and duration."""

    range_m: Distance
    closing_speed_mps: Annotated[float, Field(gt=0, le=1e6)]
    duration_s: PositiveSpan


class IdentityPolicy(Spec):
    """Known identities, and the criteria for accepting one; `docs/identity-and-guard.md` has the rules.

    `confirm_replies` over `confirm_time_s` confirm an identity; after `max_identity_age_s` without a reply it must be
    confirmed again. A contradiction is evidence once it has lasted `evidence_time_s`, and is remembered for
    `evidence_memory_s`; it takes `significance_sigma` standard deviations. `spoofer` is a spoofer's identification.
    """

    friends: Annotated[tuple[FriendIdentity, ...], Field(max_length=MAX_IDENTITIES)] = ()
    foes: Annotated[tuple[FoeIdentity, ...], Field(max_length=MAX_IDENTITIES)] = ()
    identity_switch_replies: Count = 3
    transponder_silent_detections: Count = 3
    confirm_replies: Count = 4
    confirm_time_s: Span = 3.0
    max_identity_age_s: PositiveSpan = 30.0
    significance_sigma: Annotated[float, Field(gt=0, le=100)] = 4.0
    evidence_time_s: Span = 5.0
    evidence_memory_s: Span = 60.0
    simultaneous_s: PositiveSpan = 3.0
    acceleration_span_s: PositiveSpan = 4.0
    min_class_probability: Annotated[float, Field(gt=0.5, lt=1)] = 0.7
    spoofer: Literal["FOE", "UNKNOWN"] = "FOE"
    hostile_approach: HostileApproach | None = None

    @model_validator(mode="after")
    def _check_identities(self) -> Self:
        refuse("IdentityPolicy", self._repeated())
        return self

    def _repeated(self) -> Iterator[tuple[Loc, str]]:
        seen: dict[str, str] = {}
        groups: tuple[tuple[str, Sequence[FoeIdentity]], ...] = (("friends", self.friends), ("foes", self.foes))
        for group, known in groups:
            for number, each in enumerate(known):
                first = seen.setdefault(each.identity, f"{group}[{number}]")
                if first != f"{group}[{number}]":
                    yield (group, number, "identity"), f"{each.identity!r} is already that of {first}"


class _Rule(Spec):
    """Fields common to all guard rules.

    An alarm is raised once the rule has held for `min_duration_s`, at the earliest `cooldown_s` after the last alarm of
    the same track was cleared. It is cleared when the rule does not hold even with its limits widened by the fraction
    `hysteresis`.
    """

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
    severity: SeverityName = "WARNING"
    min_duration_s: Span = 0.0
    cooldown_s: Span = 0.0
    hysteresis: Share = 0.0


class UnknownContactClose(_Rule):
    """A track that is neither friend nor foe is within `range_m`."""

    kind: Literal["UNKNOWN_CONTACT_CLOSE"]
    range_m: Distance


class FoeTransponderOffApproach(_Rule):
    """A foe with a silent transponder is within `range_m`, closing faster than `closing_speed_mps`."""

    kind: Literal["FOE_TRANSPONDER_OFF_APPROACH"]
    range_m: Distance
    closing_speed_mps: Speed = 0.0


class SpoofingDetected(_Rule):
    """There is evidence that a track's identity is false."""

    kind: Literal["SPOOFING_DETECTED"]


class ClosestPointOfApproach(_Rule):
    """A track is predicted to come nearer than `distance_m` within `within_s`, with at least `probability`."""

    kind: Literal["CLOSEST_POINT_OF_APPROACH"]
    distance_m: Distance
    within_s: PositiveSpan
    probability: Annotated[float, Field(gt=0, le=1)] = 0.5


GuardRule = Annotated[
    UnknownContactClose | FoeTransponderOffApproach | SpoofingDetected | ClosestPointOfApproach,
    Field(discriminator="kind"),
]


def repeated_rules(rules: Sequence[GuardRule]) -> Iterator[tuple[Loc, str]]:
    """Yield (loc, message) for every name that an earlier rule already has."""
    names: dict[str, int] = {}
    for number, rule in enumerate(rules):
        if names.setdefault(rule.name, number) != number:
            yield (number, "name"), f"rule {rule.name!r} is given twice"

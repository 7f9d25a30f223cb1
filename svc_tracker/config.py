"""Settings of the tracker, and its rules from the BotSpec."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from botspec import policy as spec
from botspec import tracker
from botspec.sections import Tracking
from mesh.feeds.retention import RetentionSettings
from mesh.serving.errors import StartError
from mesh.settings import Port
from qiki_sdk.codes import Severity
from svc_tracker.domain.guard.rules import GuardKind, GuardRule
from svc_tracker.domain.identity.policy import FriendFoe, HostileApproach, IdentityPolicy, KnownPlatform, ObjectType
from svc_tracker.domain.kernels import Kernels
from svc_tracker.domain.model import Mode, TrackerModel

# Keys of the BotSpec's section `tracker` with other names in the domain.
_RENAMED = {"new_target_probability": "new_target_probability", "birth_rate_per_scan": "birth_rate_per_scan"}


class TrackerSettings(RetentionSettings):
    """The settings of the tracker; the environment's prefix is `QIKI_TRACKER_`.

    Without `state_dir` no checkpoints are kept: a restart replays the run from the oldest frame the radar still has,
    and a lossless radar cannot wait for this tracker.
    """

    model_config = SettingsConfigDict(env_prefix="QIKI_TRACKER_")
    service_name: ClassVar[str] = "svc_tracker"

    grpc_port: int = Port(50053)
    http_port: int = Port(9103)
    radar_target: str = "127.0.0.1:50052"
    state_dir: Path | None = None
    checkpoint_period_s: float = Field(default=30.0, gt=0.0, le=3_600.0)


@dataclass(frozen=True, slots=True)
class Rules:
    """The BotSpec's rules for tracks: the tracker model, the identity policy and the guard rules."""

    model: TrackerModel
    identity: IdentityPolicy
    guard: tuple[GuardRule, ...]


def to_rules(bot_spec: Tracking) -> Rules:
    """Return the BotSpec's rules as the domain's.

    Raises:
        StartError: the tracker's values do not fit together, or a package that it needs is not installed.
    """
    return Rules(
        model=to_model(bot_spec.tracker),
        identity=to_policy(bot_spec.identity_policy),
        guard=tuple(to_guard_rule(rule) for rule in bot_spec.guard_rules),
    )


def to_model(section: tracker.Tracker) -> TrackerModel:
    """Return the domain's model, with its defaults for values missing in the section. Raises StartError."""
    values = {_RENAMED.get(key, key): value for key, value in section.model_dump(exclude_none=True).items()}
    if section.modes is not None:
        values["modes"] = tuple(Mode(**mode.model_dump()) for mode in section.modes)
    if section.compiled:
        _require_numba()
    try:
        return TrackerModel(**values)
    except ValueError as error:
        raise StartError(f"the BotSpec's tracker: {error}") from None


def _require_numba() -> None:
    try:
        Kernels.compiled()
    except (ImportError, RuntimeError) as error:
        raise StartError(
            f"the BotSpec's tracker.compiled needs numba, which cannot be used here ({error}): "
            "install it with `pip install 'qiki-mesh[speed]'`, or leave compiled out"
        ) from None


def to_policy(policy: spec.IdentityPolicy) -> IdentityPolicy:
    """Return the domain's identity policy."""
    numbers = policy.model_dump(exclude={"friends", "foes", "spoofer", "hostile_approach"})
    rule = policy.hostile_approach
    return IdentityPolicy(
        platforms=tuple(
            _to_platform(known, iff)
            for iff, listed in ((FriendFoe.FRIEND, policy.friends), (FriendFoe.FOE, policy.foes))
            for known in listed
        ),
        spoofer=FriendFoe[policy.spoofer],
        hostile_approach=HostileApproach(**rule.model_dump()) if rule else None,
        **numbers,
    )


def to_guard_rule(rule: spec.GuardRule) -> GuardRule:
    """Return the domain's rule; the limits have the same names in both."""
    limits = rule.model_dump(exclude={"kind", "severity"})
    return GuardRule(kind=GuardKind[rule.kind], severity=int(Severity[rule.severity]), **limits)


def _to_platform(known: spec.FoeIdentity, iff: FriendFoe) -> KnownPlatform:
    return KnownPlatform(
        identity=known.identity.removesuffix("*"),
        iff=iff,
        is_prefix=known.identity.endswith("*"),
        min_speed_mps=known.min_speed_mps,
        max_speed_mps=math.inf if known.max_speed_mps is None else known.max_speed_mps,
        max_acceleration_mps2=math.inf if known.max_acceleration_mps2 is None else known.max_acceleration_mps2,
        object_type=ObjectType[known.object_type.upper()] if known.object_type else ObjectType.UNSPECIFIED,
    )

"""The craft's transponder: it answers with its identity, with a false one, or not at all."""

from dataclasses import dataclass, replace

from svc_sim.domain.limits import ParameterError, require_non_negative
from svc_sim.domain.scenario.scenario import TransponderMode


@dataclass(frozen=True, slots=True)
class TransponderParameters:
    """Identity, mode at the start, false identity of the mode `spoof` (empty: none), and rated power in watts."""

    identity: str
    mode: TransponderMode
    spoof_identity: str = ""
    power_w: float = 0.0

    def __post_init__(self) -> None:
        """Raise ParameterError for a parameter outside its limits."""
        require_non_negative(power_w=self.power_w)
        if not self.identity:
            raise ParameterError("identity", "is empty: give the identity of the replies")
        self.set_mode(self.initial_state(), self.mode)

    def initial_state(self) -> "TransponderState":
        """Return the state before the first step."""
        return TransponderState(self.mode, True)

    def set_mode(self, state: "TransponderState", mode: TransponderMode) -> "TransponderState":
        """Return the state with another mode; raise ParameterError for `spoof` without a false identity."""
        if mode is TransponderMode.SPOOF and not self.spoof_identity:
            raise ParameterError("spoof_identity", "is empty: give the identity with which the mode 'spoof' answers")
        return replace(state, mode=mode)

    def demand_w(self, state: "TransponderState") -> float:
        """Return the power that it asks for: silent, it still listens, so only `off` needs none."""
        return 0.0 if state.mode is TransponderMode.OFF else self.power_w

    def reply(self, state: "TransponderState") -> str:
        """Return the identity in its reply to an interrogation; empty: it does not answer."""
        if not state.supplied:
            return ""
        match state.mode:
            case TransponderMode.ON:
                return self.identity
            case TransponderMode.SPOOF:
                return self.spoof_identity
            case TransponderMode.OFF | TransponderMode.SILENT:
                return ""


@dataclass(frozen=True, slots=True)
class TransponderState:
    """The mode, and whether the bus supplied the transponder in the last step."""

    mode: TransponderMode
    supplied: bool


def step_transponder(state: TransponderState, *, supplied: bool) -> TransponderState:
    """Return the state after a step in which the bus supplied it or not; the mode outlasts a loss of power."""
    return replace(state, supplied=supplied)

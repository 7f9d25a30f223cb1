from math import inf, nan

import pytest

from svc_sim.domain.limits import ParameterError
from svc_sim.domain.scenario.scenario import TransponderMode
from svc_sim.domain.subsystems.transponder import TransponderParameters, step_transponder

OWN = TransponderParameters("QIKI-1", TransponderMode.ON, spoof_identity="BUOY-7", power_w=3.0)


@pytest.mark.parametrize(
    ("mode", "reply", "demand_w"),
    [
        (TransponderMode.ON, "QIKI-1", 3.0),
        (TransponderMode.SPOOF, "BUOY-7", 3.0),
        (TransponderMode.SILENT, "", 3.0),
        (TransponderMode.OFF, "", 0.0),
    ],
)
def test_a_transponder_answers_by_its_mode_and_only_off_needs_no_power(
    mode: TransponderMode, reply: str, demand_w: float
) -> None:
    state = OWN.set_mode(OWN.initial_state(), mode)
    assert (OWN.reply(state), OWN.demand_w(state)) == (reply, demand_w)


def test_without_power_it_does_not_answer_and_with_power_it_is_in_its_mode_again() -> None:
    state = OWN.set_mode(OWN.initial_state(), TransponderMode.SPOOF)
    dark = step_transponder(state, supplied=False)
    assert OWN.reply(dark) == ""
    assert OWN.demand_w(dark) == 3.0, "it asks again, or it would never come back"
    assert OWN.reply(step_transponder(dark, supplied=True)) == "BUOY-7"


def test_an_identity_that_is_missing_is_refused_by_its_field() -> None:
    with pytest.raises(ParameterError, match=r"^identity is empty"):
        TransponderParameters("", TransponderMode.ON)
    with pytest.raises(ParameterError, match=r"^spoof_identity is empty"):
        TransponderParameters("QIKI-1", TransponderMode.SPOOF)
    honest = TransponderParameters("QIKI-1", TransponderMode.ON)
    with pytest.raises(ParameterError, match=r"^spoof_identity is empty"):
        honest.set_mode(honest.initial_state(), TransponderMode.SPOOF)


@pytest.mark.parametrize("value", [nan, inf, -1.0])
def test_a_power_outside_its_limits_is_refused_by_its_field(value: float) -> None:
    with pytest.raises(ParameterError, match=f"^power_w is {value!r}"):
        TransponderParameters("QIKI-1", TransponderMode.ON, power_w=value)

"""State of the user interface, and the effect of each key: pure."""

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final


class View(IntEnum):
    """The views, by the digit that selects them."""

    SERVICES = 1
    STREAMS = 2
    ALERTS = 3
    RADAR = 4
    AUDIT = 5


TITLES: Final = {view: view.name.lower() for view in View}
MIN_RANGE_STEP, MAX_RANGE_STEP = 0, 30  # 100 m to 100,000 km
_LADDER_M: Final = (100, 160, 240, 400, 600)
PAGE_LINES: Final = 10
MAX_SCROLL: Final = 100_000


@dataclass(frozen=True, slots=True)
class Ui:
    """State of the user interface. `range_step` is the radar's range on the ladder of `range_of`, None: automatic."""

    view: View = View.SERVICES
    scroll: int = 0
    range_step: int | None = None
    help: bool = False
    paused: bool = False
    quit: bool = False


def range_of(step: int) -> float:
    """Return a step of the ladder 100, 160, 240, 400, 600, 1000, ... in metres: a quarter of each is a round number."""
    return float(_LADDER_M[step % len(_LADDER_M)] * 10 ** (step // len(_LADDER_M)))


def step_for(range_m: float) -> int:
    """Return the first step of the ladder that covers a range."""
    steps = range(MIN_RANGE_STEP, MAX_RANGE_STEP + 1)
    return next((step for step in steps if range_of(step) >= range_m), MAX_RANGE_STEP)


def on_key(ui: Ui, key: str, automatic_step: int) -> Ui:
    """Return the state after a key; `automatic_step` is the radar's range step where it is automatic."""
    if (switched := _switched(ui, key)) is not None:
        return switched
    if (view := _chosen(ui.view, key)) is not None:
        return replace(ui, view=view, scroll=0, help=False)
    if (lines := _SCROLLS.get(key)) is not None:
        return replace(ui, scroll=min(MAX_SCROLL, max(0, ui.scroll + lines)))
    return _zoomed(ui, key, automatic_step) if ui.view is View.RADAR else ui


def _switched(ui: Ui, key: str) -> Ui | None:
    """Return the state after a key of one of the switches, None for other keys."""
    match key:
        case "q":
            return replace(ui, quit=True)
        case "?":
            return replace(ui, help=not ui.help)
        case "escape":
            return replace(ui, help=False)
        case "p" | " ":
            return replace(ui, paused=not ui.paused)
    return None


def _chosen(view: View, key: str) -> View | None:
    """Return the view that a key selects, None for other keys."""
    if key in _DIGITS:
        return _DIGITS[key]
    turn = _TURNS.get(key)
    return None if turn is None else View((view - 1 + turn) % len(View) + 1)


def _zoomed(ui: Ui, key: str, automatic_step: int) -> Ui:
    if key == "0":
        return replace(ui, range_step=None)
    if (change := _ZOOMS.get(key)) is None:
        return ui
    step = automatic_step if ui.range_step is None else ui.range_step
    return replace(ui, range_step=min(MAX_RANGE_STEP, max(MIN_RANGE_STEP, step + change)))


_DIGITS: Final = {str(view.value): view for view in View}
_TURNS: Final = {"tab": 1, "right": 1, "shift-tab": -1, "left": -1}
_SCROLLS: Final = {
    **{"down": 1, "j": 1, "page-down": PAGE_LINES, "end": MAX_SCROLL},
    **{"up": -1, "k": -1, "page-up": -PAGE_LINES, "home": -MAX_SCROLL},
}
_ZOOMS: Final = {"+": -1, "=": -1, "-": 1, "_": 1}

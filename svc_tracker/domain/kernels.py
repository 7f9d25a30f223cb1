"""The arithmetic kernels, in NumPy or compiled by numba."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cache
from hashlib import sha256
from types import FunctionType
from typing import Any, Self, TypeAlias

from svc_tracker.domain.association import assignment, grid
from svc_tracker.domain.association.assignment import DominantPairs
from svc_tracker.domain.association.grid import GateWindows
from svc_tracker.domain.filter import imm, initiation, prediction, update
from svc_tracker.domain.state import selection
from svc_tracker.domain.state.tracks import SelectAndAppend
from svc_tracker.domain.state.types import (
    Floats,
    Indices,
    Measurements,
    ModeEstimates,
    MotionStep,
    Packing,
    Pairing,
    PredictedMeasurement,
    Prior,
    Sensor,
    batch_axis,
)

Predict: TypeAlias = Callable[[ModeEstimates, MotionStep, Packing], ModeEstimates]
PredictMeasurement: TypeAlias = Callable[[ModeEstimates, Measurements, Sensor, Packing], PredictedMeasurement]
Initiate: TypeAlias = Callable[[Measurements, Indices, Sensor, Prior, Packing], ModeEstimates]
GatePairs: TypeAlias = Callable[
    [PredictedMeasurement, Measurements, Indices, Indices, float], tuple[Indices, Floats, Floats]
]
Update: TypeAlias = Callable[[ModeEstimates, PredictedMeasurement, Measurements, Pairing, Packing], Floats]
CandidatePairs: TypeAlias = Callable[[Floats, Floats, GateWindows], tuple[Indices, Indices]]


@dataclass(frozen=True, slots=True)
class Kernels:
    """The batched arithmetic of the tracking cycle; each field is one function over all tracks."""

    predict: Predict = imm.predict
    predict_measurement: PredictMeasurement = prediction.predict_measurement
    initiate: Initiate = initiation.initiate
    gate_pairs: GatePairs = update.gate_pairs
    update: Update = update.update
    select_and_append: SelectAndAppend = selection.select_and_append
    candidate_pairs: CandidatePairs = grid.candidate_pairs
    dominant_pairs: DominantPairs = assignment.dominant_pairs

    @classmethod
    def compiled(cls) -> Self:
        """Return the kernels compiled by numba, each on its first use, and cached on disk.

        Raises ImportError where numba is not installed.
        """
        njit = importlib.import_module("numba").njit(cache=True, error_model="numpy")
        done: dict[Any, Any] = {batch_axis: range}
        return cls(*(_compile(field.default, njit, done) for field in fields(cls)))


@cache
def compiled_kernels() -> Kernels:
    """Return the compiled kernels, the same ones for the whole process."""
    return Kernels.compiled()


def _compile(function: Any, njit: Callable[[Any], Any], done: dict[Any, Any]) -> Any:
    """Compile `function` and, first, every project function it calls. `done` maps functions to their compiled ones."""
    if function not in done:
        called = {name: function.__globals__.get(name) for name in function.__code__.co_names}
        ours = {
            name: _compile(value, njit, done)
            for name, value in called.items()
            if isinstance(value, FunctionType) and value.__module__.startswith(__package__)
        }
        linked = FunctionType(function.__code__, {**function.__globals__, **ours}, function.__name__)
        # numba's cache finds a function by this name, and does not look at the functions that it calls.
        linked.__qualname__ = f"{function.__name__}-{_digest(function, called, ours)}"
        done[function] = njit(linked)
    return done[function]


def _digest(function: Any, called: dict[str, Any], ours: dict[str, Any]) -> str:
    """Return a digest of the function's code, of the numbers it reads and of the project functions it calls."""
    numbers = sorted((name, value) for name, value in called.items() if isinstance(value, int | float))
    names = sorted(compiled.py_func.__qualname__ for compiled in ours.values() if compiled is not range)
    code = function.__code__
    made_of = repr((code.co_code, code.co_consts, code.co_names, code.co_varnames, numbers, names))
    return sha256(made_of.encode()).hexdigest()[:12]

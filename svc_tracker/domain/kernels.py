"""The kernels as they are, or compiled by numba."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cache
from hashlib import sha256
from types import FunctionType
from typing import Any, Self

from svc_tracker.domain.association import assignment, grid
from svc_tracker.domain.filter import imm, initiation, prediction, update
from svc_tracker.domain.state import selection
from svc_tracker.domain.state.types import each


@dataclass(frozen=True, slots=True)
class Kernels:
    """The arithmetic that all tracks share."""

    predict: Callable[..., Any] = imm.predict
    expect: Callable[..., Any] = prediction.expect
    begin: Callable[..., Any] = initiation.begin
    inside: Callable[..., Any] = update.inside
    correct: Callable[..., Any] = update.correct_all
    joined: Callable[..., Any] = selection.joined
    near: Callable[..., Any] = grid.near
    plain: Callable[..., Any] = assignment.plain

    @classmethod
    def compiled(cls) -> Self:
        """Return them compiled, each on its first use and for later ones on disk.

        Raises ImportError where numba is not installed.
        """
        compile_one = importlib.import_module("numba").njit(cache=True, error_model="numpy")
        done: dict[Any, Any] = {each: range}
        return cls(*(_compiled(field.default, compile_one, done) for field in fields(cls)))


@cache
def compiled() -> Kernels:
    """Return the compiled kernels, once for the process: each is compiled or read from disk on its first use."""
    return Kernels.compiled()


def _compiled(function: Any, compile_one: Callable[[Any], Any], done: dict[Any, Any]) -> Any:
    """Return a function compiled together with those of ours that it calls, which it must find compiled."""
    if function not in done:
        called = {name: function.__globals__.get(name) for name in function.__code__.co_names}
        ours = {
            name: _compiled(value, compile_one, done)
            for name, value in called.items()
            if isinstance(value, FunctionType) and value.__module__.startswith(__package__)
        }
        linked = FunctionType(function.__code__, {**function.__globals__, **ours}, function.__name__)
        # numba finds what it has compiled on disk by this name, and does not look at what a function calls.
        linked.__qualname__ = f"{function.__name__}-{_digest(function, called, ours)}"
        done[function] = compile_one(linked)
    return done[function]


def _digest(function: Any, called: dict[str, Any], ours: dict[str, Any]) -> str:
    """Return what differs wherever the function, a number that it reads or a function of ours that it calls does."""
    numbers = sorted((name, value) for name, value in called.items() if isinstance(value, int | float))
    names = sorted(each_one.py_func.__qualname__ for each_one in ours.values() if each_one is not range)
    code = function.__code__
    made_of = repr((code.co_code, code.co_consts, code.co_names, code.co_varnames, numbers, names))
    return sha256(made_of.encode()).hexdigest()[:12]

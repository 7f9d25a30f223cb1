"""The kernels as they are, or compiled by numba."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cache
from types import FunctionType
from typing import Any, Self

from svc_tracker.domain import assign, beginning, beliefs, correction, expectation, imm, index
from svc_tracker.domain.arrays import each


@dataclass(frozen=True, slots=True)
class Kernels:
    """The arithmetic that all tracks share."""

    predict: Callable[..., Any] = imm.predict
    expect: Callable[..., Any] = expectation.expect
    begin: Callable[..., Any] = beginning.begin
    inside: Callable[..., Any] = correction.inside
    correct: Callable[..., Any] = correction.correct_all
    joined: Callable[..., Any] = beliefs.joined
    near: Callable[..., Any] = index.near
    plain: Callable[..., Any] = assign.plain

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
        done[function] = compile_one(
            FunctionType(function.__code__, {**function.__globals__, **ours}, function.__name__)
        )
    return done[function]

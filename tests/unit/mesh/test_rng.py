import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.rng import generator

U64 = st.integers(0, 2**64 - 1)


@given(U64, st.text(max_size=40), U64)
def test_equal_arguments_give_equal_draws(seed: int, stream: str, step: int) -> None:
    first, second = generator(seed, stream, step), generator(seed, stream, step)
    assert first.standard_normal(4).tobytes() == second.standard_normal(4).tobytes()


def test_draws_do_not_depend_on_earlier_draws() -> None:
    expected = generator(1, "a", 2).random(3)
    generator(1, "a", 1).random(1000)
    assert np.array_equal(generator(1, "a", 2).random(3), expected)


@pytest.mark.parametrize("other", [(2, "a", 3), (1, "b", 3), (1, "a", 4), (3, "a", 1)])
def test_each_argument_changes_the_draws(other: tuple[int, str, int]) -> None:
    assert not np.array_equal(generator(1, "a", 3).random(4), generator(*other).random(4))


def test_the_draws_of_neighbouring_steps_are_not_correlated() -> None:
    draws = np.array([generator(7, "clutter", step).standard_normal(2) for step in range(4000)])
    pairs = np.corrcoef(np.column_stack([draws[:-1], draws[1:]]).T)
    off_diagonal = pairs[~np.eye(4, dtype=bool)]
    assert np.abs(off_diagonal).max() < 5 / np.sqrt(4000)
    assert abs(draws.mean()) < 5 / np.sqrt(8000)


@pytest.mark.parametrize(("seed", "step"), [(-1, 0), (2**64, 0), (0, -1), (0, 2**64)])
def test_seed_and_step_beyond_64_bits_are_refused(seed: int, step: int) -> None:
    with pytest.raises(OverflowError):
        generator(seed, "a", step)

"""Randomness as an input: a counter-based generator keyed by (seed, stream, step), never global state."""

import hashlib

import numpy as np


def generator(seed: int, stream: str, step: int) -> np.random.Generator:
    """Return the generator of one step of one stream of random draws.

    Equal arguments give equal draws, whatever was drawn before; different ones give independent draws.
    `seed` and `step` are in [0, 2**64). Philox is the counter-based generator of Salmon et al.,
    "Parallel random numbers: as easy as 1, 2, 3" (SC 2011).
    """
    material = seed.to_bytes(8, "little") + step.to_bytes(8, "little") + stream.encode()
    key = int.from_bytes(hashlib.blake2b(material, digest_size=16).digest(), "little")
    return np.random.Generator(np.random.Philox(key=key))

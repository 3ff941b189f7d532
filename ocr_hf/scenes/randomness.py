"""Random generators that are pure functions of a seed and of names: no global state, no dependence on call order."""

from __future__ import annotations

import zlib

import numpy as np


def generator(seed: int, *keys: str | int) -> np.random.Generator:
    """Return the generator of (seed, *keys): equal arguments give equal streams on every machine.

    seed : any integer of at least 0
    keys : names ("layout") and indices that tell streams of one seed apart
    """
    if seed < 0:
        raise ValueError(f"seed is {seed}; give an integer of at least 0")
    # CRC32, not hash(): Python salts the hashes of strings in each process. SeedSequence mixes the words into
    # independent streams.
    words = [key if isinstance(key, int) else zlib.crc32(key.encode()) for key in keys]
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, *words])))


def pick(rng: np.random.Generator, options):
    """Return one element of the sequence `options`."""
    return options[int(rng.integers(len(options)))]

"""Randomness as a pure function of names: no global state, same bytes on any worker and in any order."""

from __future__ import annotations

import hashlib

import numpy as np


def stable_key(*parts: object) -> int:
    """Return a 128-bit key that depends only on the values of `parts` (ints, floats, strings, bools, None, tuples).

    Unlike `hash`, it is the same in every process. Numpy scalars count as the Python value they hold.
    Raises TypeError for a part whose value has no stable text.
    """
    digest = hashlib.blake2b(_text(parts).encode(), digest_size=16).digest()
    return int.from_bytes(digest, "little")


def _text(part: object) -> str:
    if isinstance(part, np.generic):
        part = part.item()
    if part is None or isinstance(part, bool | int | float | str):
        # With the type, or 1, 1.0, True and "1" would share a key; repr gives every bit of a float.
        return f"{type(part).__name__}:{part!r}"
    if isinstance(part, tuple | list):
        return f"({','.join(_text(item) for item in part)})"
    raise TypeError(f"a random key can't be made of {type(part).__name__} {part!r}; use numbers and strings")


def generator(key: int, index: int = 0, stream: int = 0) -> np.random.Generator:
    """Return the generator number (`index`, `stream`) of a key.

    Philox is counter-based: the generators of one key are independent, so frame 7's noise is the same whether or
    not frames 0-6 were generated. Building one takes microseconds.
    """
    # The index is the counter's highest word: streams are 2^192 numbers apart and can't run into each other.
    return np.random.Generator(np.random.Philox(key=key & (2**128 - 1), counter=[0, 0, stream, index]))

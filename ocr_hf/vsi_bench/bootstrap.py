"""Bootstrap over clusters: questions about one scene share its video, so whole scenes are drawn, with replacement.

A draw is a vector of how often each cluster was picked, so resampled sums are one matrix product.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

DRAWS = 1000
CONFIDENCE = 0.95
_DRAWS_AT_ONCE = 64
"""Caps memory at 64 x clusters; part of the definition, since it fixes the order of random numbers."""


def cluster_codes(labels: Sequence[object]) -> np.ndarray:
    """Return (n,) ints that number labels in sorted order, so that results don't depend on the order of rows."""
    _, codes = np.unique(np.asarray([str(label) for label in labels]), return_inverse=True)
    return codes.reshape(-1)


def draw_weights(clusters: int, draws: int, seed: int) -> Iterator[np.ndarray]:
    """Yield (<= 64, clusters) float64: how often each cluster was picked, in `draws` rows altogether."""
    generator = np.random.Generator(np.random.Philox(seed))
    for start in range(0, draws, _DRAWS_AT_ONCE):
        size = min(_DRAWS_AT_ONCE, draws - start)
        # Every draw is shifted to a range of its own, so that one bincount counts them all
        picks = generator.integers(clusters, size=(size, clusters)) + clusters * np.arange(size)[:, None]
        yield np.bincount(picks.reshape(-1), minlength=size * clusters).reshape(size, clusters).astype(np.float64)


def percentile_interval(values: np.ndarray, confidence: float = CONFIDENCE) -> np.ndarray:
    """Return (2, ...) the central percentile interval of (draws, ...) values, over the draws that have a value.

    Entries without a value in any draw are NaN.
    """
    tail = 100.0 * (1.0 - confidence) / 2.0
    flat = values.reshape(len(values), -1)
    bounds = np.full((2, flat.shape[1]), np.nan)
    for column in range(flat.shape[1]):
        present = flat[~np.isnan(flat[:, column]), column]
        if len(present):
            bounds[:, column] = np.percentile(present, [tail, 100.0 - tail])
    return bounds.reshape(2, *values.shape[1:])

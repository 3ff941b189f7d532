"""Pixels on edges, which are smoothed, and the pixels beside them."""

from __future__ import annotations

import numpy as np

EDGE_CONTRAST = 12
"""Neighbouring pixels that differ by less (of 255) show no jagged edge."""


def grown(mask: np.ndarray) -> np.ndarray:
    """Return a mask (H, W) with the four pixels beside each."""
    wider = mask.copy()
    wider[1:] |= mask[:-1]
    wider[:-1] |= mask[1:]
    wider[:, 1:] |= mask[:, :-1]
    wider[:, :-1] |= mask[:, 1:]
    return wider


def rows_around(mask: np.ndarray) -> slice:
    """Return the rows that a mask (H, W) takes, with one more at each end."""
    rows = np.flatnonzero(mask.any(axis=1))
    return slice(max(int(rows[0]) - 1, 0), int(rows[-1]) + 2) if len(rows) else slice(0, 0)


def edges_of(frame: np.ndarray, depth: np.ndarray, part: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """Return the (H, W) bool pixels beside which both the surface and its colour change."""
    edge = np.zeros(depth.shape, dtype=bool)
    planes = [np.ascontiguousarray(frame[..., i]) for i in range(3)]
    for axis in (0, 1):
        a = (slice(None),) * axis + (slice(None, -1),)
        b = (slice(None),) * axis + (slice(1, None),)
        change = np.any([np.maximum(p[a], p[b]) - np.minimum(p[a], p[b]) > EDGE_CONTRAST for p in planes], axis=0)
        jump = part[a] != part[b]
        # 5 % of the distance: a slanted floor changes less from row to row, an object before a wall more.
        jump |= np.abs(depth[a] - depth[b]) > np.float32(0.05) * np.minimum(depth[a], depth[b])
        jump |= np.einsum("ijk,ijk->ij", normal[a], normal[b]) < np.float32(0.95)
        change &= jump
        edge[a] |= change
        edge[b] |= change
    return edge

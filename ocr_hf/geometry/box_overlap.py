"""How far oriented boxes reach into each other: the exact separating axis test."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from ocr_hf.geometry.boxes import OrientedBox


def penetration_m(box: OrientedBox, others: Sequence[OrientedBox]) -> Float[np.ndarray, "n"]:
    """Measure how far a box reaches into each of several others.

    Two convex bodies are apart exactly if their shadows on some axis are; for boxes the three face normals of each and
    the nine products of their edges suffice (Gottschalk, Lin and Manocha 1996).

    Args:
        box: the one.
        others: (N) the others.

    Returns:
        (N,) float64, metres: the length of the shortest shift that parts the two, 0 where they are apart or touch.
    """
    if len(others) == 0:
        return np.zeros(0)
    centers = np.array([other.center for other in others]) - box.center
    theirs = np.array([other.rotation.T for other in others])
    half = np.array([other.size for other in others]) / 2.0
    ours = np.broadcast_to(box.rotation.T, theirs.shape)
    products = np.cross(ours[:, :, None, :], theirs[:, None, :, :]).reshape(-1, 9, 3)
    axes = np.concatenate([ours, theirs, products], axis=1)
    length = np.linalg.norm(axes, axis=2)
    # Parallel edges have no product; the face normals cover that case.
    usable = length > 1e-6
    axes = axes / np.where(usable, length, 1.0)[..., None]
    reach = np.abs(axes @ box.rotation) @ (box.size / 2.0)
    reach = reach + np.einsum("nkj,nj->nk", np.abs(axes @ theirs.transpose(0, 2, 1)), half)
    shared = reach - np.abs(np.einsum("nki,ni->nk", axes, centers))
    return np.maximum(np.where(usable, shared, np.inf).min(axis=1), 0.0)

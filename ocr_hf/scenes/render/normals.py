"""Smooth normals where a surface is curved, flat ones at its edges."""

from __future__ import annotations

import numpy as np

from ocr_hf.geometry.triples import lengths

CREASE_DEG = 40.0
"""Neighbouring triangles that meet at a larger angle form an edge; at a smaller one, a curve."""
PAIRS = 1_000_000
"""Pairs of corners compared at a time, which bounds the memory."""


def face_normals(corners: np.ndarray) -> np.ndarray:
    """Return unit normals (F, 3) float32 of triangles (F, 3, 3)."""
    corners = corners.astype(np.float64)
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    length = lengths(cross)
    return (cross / np.maximum(length, 1e-30)[:, None]).astype(np.float32)


def corner_normals(corners: np.ndarray, faces: np.ndarray, part: np.ndarray) -> np.ndarray:
    """Return unit normals (F, 3, 3) float32 of every corner of every triangle.

    corners : (F, 3, 3) float32; faces : (F, 3), equal places have equal indices; part : (F,) int, never smoothed across
    A corner's normal is the mean, weighted by the angle at the corner, of the triangles that meet there at less
    than CREASE_DEG to its own.
    """
    # Angle-weighted vertex normals (Thuermer and Wuethrich 1998), restricted to a smoothing group: weights by area
    # would let one large triangle tilt the normal of a rounded edge.
    flat = np.repeat(face_normals(corners), 3, axis=0)
    weight = _angles(corners).reshape(-1)
    meeting = faces.reshape(-1).astype(np.int64) * (int(part.max()) + 1) + np.repeat(part, 3)
    order = np.argsort(meeting, kind="stable")
    first = np.append(True, np.diff(meeting[order]) != 0)
    start = np.flatnonzero(first)
    size = np.diff(np.append(start, len(order)))
    group = np.cumsum(first) - 1
    flat, weight = flat[order], weight[order]
    mean = np.add.reduceat(flat * weight[:, None], start, axis=0)
    mean /= np.maximum(lengths(mean), np.float32(1e-12))[:, None]
    normal = mean[group]
    # On flat ground the mean is the answer; only the rest is compared pair by pair.
    uneven = np.flatnonzero(np.einsum("ij,ij->i", normal, flat) < 0.9999)
    pairs = np.cumsum(size[group[uneven]])
    for chunk in np.split(uneven, np.searchsorted(pairs, np.arange(PAIRS, pairs[-1], PAIRS))) if len(uneven) else ():
        count = size[group[chunk]]
        begin = np.cumsum(count) - count
        mine = np.repeat(chunk, count)
        other = np.arange(len(mine)) - np.repeat(begin, count) + np.repeat(start[group[chunk]], count)
        smooth = np.einsum("ij,ij->i", flat[mine], flat[other]) > np.cos(np.radians(CREASE_DEG))
        total = np.add.reduceat(flat[other] * (weight[other] * smooth)[:, None], begin, axis=0)
        normal[chunk] = total / np.maximum(lengths(total), np.float32(1e-12))[:, None]
    answer = np.empty_like(normal)
    answer[order] = normal
    return answer.reshape(-1, 3, 3)


def _angles(corners: np.ndarray) -> np.ndarray:
    """Return the angles (F, 3) float32 in radians at the corners of triangles (F, 3, 3)."""
    ahead = np.roll(corners, -1, axis=1) - corners
    behind = np.roll(corners, 1, axis=1) - corners
    across = lengths(np.cross(ahead, behind))
    # atan2 is exact for slivers where acos of a dot product loses all digits; 1e-6 keeps weights above zero.
    return np.arctan2(across, np.einsum("fij,fij->fi", ahead, behind)).astype(np.float32) + np.float32(1e-6)

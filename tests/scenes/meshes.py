"""Helpers that look at meshes independently of the code under test."""

from __future__ import annotations

import numpy as np
import trimesh

from ocr_hf.scenes.scene import Mesh


def closed_parts(vertices: np.ndarray, faces: np.ndarray) -> tuple[list[float], int]:
    """Return the signed volumes of the closed connected parts, and how many parts are open.

    Parts hang together by shared edges after vertices at the same place are merged. A part is closed if each of its
    edges is used as often in one direction as in the other.
    """
    _, index = np.unique(np.round(vertices, 7), axis=0, return_inverse=True)
    merged = index.reshape(-1)[faces]
    merged = merged[(merged != np.roll(merged, 1, axis=1)).all(axis=1)]
    edges = np.stack([merged, np.roll(merged, -1, axis=1)], axis=2)
    points = np.zeros((index.max() + 1, 3))
    points[index.reshape(-1)] = vertices
    volumes, opened = [], 0
    graph = [(a, b) for a, b in merged[:, [0, 1]]] + [(b, c) for b, c in merged[:, [1, 2]]]
    for part in trimesh.graph.connected_components(np.array(graph), min_len=1):
        mine = np.isin(merged[:, 0], part)
        used = edges[mine].reshape(-1, 2)
        ahead, behind = (sorted(map(tuple, used[:, order])) for order in ([0, 1], [1, 0]))
        if ahead == behind:
            a, b, c = (points[merged[mine, corner]] for corner in range(3))
            volumes.append(float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6.0))
        else:
            opened += 1
    return volumes, opened


def samples(mesh: Mesh, step: float = 0.02) -> np.ndarray:
    """Return points (N, 3) spread over a mesh's triangles, about `step` apart."""
    corners = mesh.vertices[mesh.faces]
    points = [corners.reshape(-1, 3)]
    for triangle in corners:
        longest = np.linalg.norm(triangle - np.roll(triangle, 1, axis=0), axis=1).max()
        count = int(longest / step)
        if count > 1:
            i, j = np.meshgrid(np.arange(count + 1), np.arange(count + 1))
            a, b = i[i + j <= count] / count, j[i + j <= count] / count
            points.append(np.stack([1 - a - b, a, b], axis=1) @ triangle)
    return np.concatenate(points)

"""Edits of what an object's surface looks like: warp bends it, recolor paints it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ocr_hf.geometry.boxes import OrientedBox
from ocr_hf.geometry.fit_box import MIN_EXTENT_M
from ocr_hf.scenes.randomness import generator
from ocr_hf.scenes.scene import Material, Mesh, SceneObject

MODES = 6
"""Waves that a warp adds up."""
CYCLES = 1.25
"""Most periods of a wave along an edge of the box: the shape is bent, not roughened."""
GREY_LUMA = np.array([0.2126, 0.7152, 0.0722])
"""Weights of red, green and blue in the brightness of a colour (ITU-R BT.709)."""


def warped(item: SceneObject, amplitude: float, seed: int) -> SceneObject:
    """Return an object bent by a smooth random displacement, with its box fitted anew along the old axes.

    The displacement is a sum of MODES waves over the box. It depends on the place alone: surfaces that met still meet.
    Heights above the base are stretched, not shifted: what touches the floor still does.

    Args:
        item: an object with meshes.
        amplitude: no vertex is displaced by more than this share of the box's diagonal.
        seed: at least 0.

    Returns:
        The bent object.
    """
    points = np.concatenate([mesh.vertices for mesh in item.meshes])
    size = np.maximum(item.box.size, MIN_EXTENT_M)
    shift = bending_waves(item.box.to_local(points) / size, seed)
    longest = float(np.linalg.norm(shift, axis=1).max(initial=0.0))
    shift *= amplitude * item.box.diagonal / longest if longest > 0.0 else 0.0
    height = points[:, 2] - points[:, 2].min()
    bent = bent_points(points, height, max(float(height.max()), MIN_EXTENT_M), shift)
    ends = np.cumsum([len(mesh.vertices) for mesh in item.meshes])[:-1]
    meshes = tuple(replace(mesh, vertices=part) for mesh, part in zip(item.meshes, np.split(bent, ends), strict=True))
    return replace_surfaces(item, box_along(item.box.rotation, bent), meshes)


def bending_waves(places: np.ndarray, seed: int) -> np.ndarray:
    """Return the sum (N, 3) of a warp's waves, of no particular length, at places (N, 3) in shares of the box."""
    rng = generator(seed, "warp")
    waves = rng.uniform(-CYCLES, CYCLES, (MODES, 3)).astype(places.dtype)
    phases = rng.uniform(0.0, 2.0 * np.pi, MODES).astype(places.dtype)
    directions = rng.normal(size=(MODES, 3)).astype(places.dtype)
    return np.sin(2.0 * np.pi * places @ waves.T + phases) @ directions


def bent_points(points: np.ndarray, height: np.ndarray, top: float, shift: np.ndarray) -> np.ndarray:
    """Return points (N, 3), z up, shifted sideways and stretched upwards; `height` (N,) above the base."""
    bent = points.copy()
    bent[:, :2] += shift[:, :2]
    # tanh bounds the stretch to between 0.1 and 1.9: nothing is turned inside out or pushed below the base.
    bent[:, 2] += height * 0.9 * np.tanh(shift[:, 2] / (0.9 * top))
    return bent


def box_along(rotation: np.ndarray, points: np.ndarray) -> OrientedBox:
    """Return the box with these axes (3, 3, columns) around points (N, 3), metres."""
    local = points @ rotation
    low, high = local.min(axis=0), local.max(axis=0)
    return OrientedBox(rotation @ ((low + high) / 2.0), np.maximum(high - low, MIN_EXTENT_M), rotation)


def recolored(item: SceneObject, color: tuple[float, float, float]) -> SceneObject:
    """Return an object with meshes painted in one colour (3) sRGB in [0, 1]; patterns stay, in shades of it."""
    painted: dict[int, Material] = {}
    meshes = []
    for mesh in item.meshes:
        material = painted.setdefault(
            id(mesh.material), replace(mesh.material, color=color, texture=_shades(mesh.material.texture))
        )
        meshes.append(replace(mesh, material=material, vertex_colors=_shades(mesh.vertex_colors)))
    return replace_surfaces(item, item.box, tuple(meshes))


def replace_surfaces(item: SceneObject, box: OrientedBox, meshes: tuple[Mesh, ...]) -> SceneObject:
    """Return a plain object of the same id and label with another box and other meshes."""
    return SceneObject(item.id, item.label, box, meshes)


def _shades(colors: np.ndarray | None) -> np.ndarray | None:
    """Return colours (..., 3) uint8 as greys whose brightest is white: multiplied, they leave a new colour its hue."""
    if colors is None or colors.size == 0:
        return colors
    grey = colors @ GREY_LUMA
    shades = np.round(grey * (255.0 / max(float(grey.max()), 1.0))).astype(np.uint8)
    return np.repeat(shades[..., None], 3, axis=-1)

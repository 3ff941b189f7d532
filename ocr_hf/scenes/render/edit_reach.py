"""How far an edit of a scene reaches: which places see it, and on which its shadows fell or fall."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from ocr_hf.geometry.boxes import OrientedBox
from ocr_hf.scenes.render.edited_caster import EditedCaster
from ocr_hf.scenes.render.lamps import LAMP_RADIUS_M, open_share
from ocr_hf.scenes.render.light_points import LIFT_M, hemisphere
from ocr_hf.scenes.render.ray_caster import RayCaster
from ocr_hf.scenes.render.shading import EDGE_SAMPLES, Baked
from ocr_hf.scenes.render.surfaces import Surfaces
from ocr_hf.scenes.render.textures import TextureAtlas
from ocr_hf.scenes.scene import Light

REACH_M = 1.0
"""Bounced light changes up to this distance from the boxes of what changed, fully up to half of it."""
FAR_M = 100.0
"""Longer than any ray through a home."""


@dataclass(frozen=True, eq=False)
class Lit:
    """A scene's surfaces and their light.

    caster : casts at `surfaces`; lamps : relative to their origin
    rays : directions in which light was gathered at each point; threads : as for RayCaster
    """

    surfaces: Surfaces
    atlas: TextureAtlas
    caster: RayCaster
    lamps: list[Light]
    baked: Baked
    rays: int
    threads: int


@dataclass(frozen=True, eq=False)
class Places:
    """Places on kept surfaces, and the light that was there.

    place, normal, light, lamp : (n, 3) float32; hidden : (n,) float32, as `Baked` has it
    """

    place: np.ndarray
    normal: np.ndarray
    light: np.ndarray
    lamp: np.ndarray
    hidden: np.ndarray

    @classmethod
    def of(cls, baked: Baked, points: np.ndarray) -> Places:
        """Return the places of the points numbered `points` (n,)."""
        arrays = (baked.points.place, baked.points.normal, baked.light, baked.lamp, baked.hidden)
        return cls(*(array[points] for array in arrays))

    def __getitem__(self, chosen: np.ndarray) -> Places:
        """Return the chosen (n,) places."""
        return Places(*(getattr(self, f.name)[chosen] for f in fields(Places)))

    def joined(self, other: Places) -> Places:
        """Return these places and those of `other`."""
        return Places(*(np.concatenate([getattr(self, f.name), getattr(other, f.name)]) for f in fields(Places)))


@dataclass(frozen=True, eq=False)
class Reach:
    """What an edit does to a place: nothing is asked but rays at what moved, which is little.

    caster : casts at the edited scene; shadow : at what of it blocks lamps; moving : at what is gone and what is new
    boxes : of what is gone and what is new; placed : of what is new; all relative to the surfaces' origin
    """

    lit: Lit
    caster: EditedCaster
    shadow: EditedCaster
    moving: RayCaster
    boxes: list[OrientedBox]
    placed: list[OrientedBox]

    @classmethod
    def of(
        cls,
        lit: Lit,
        gone: np.ndarray,
        new: Surfaces | None,
        old_boxes: Sequence[OrientedBox],
        new_boxes: Sequence[OrientedBox],
    ) -> Reach:
        """Return the reach of an edit.

        gone : (F,) bool, triangles that the edited scene lacks; new : surfaces that it has instead, or None
        old_boxes, new_boxes : around what is gone and what is new, world
        """
        surfaces = lit.surfaces
        vertices, faces = [surfaces.vertices], [surfaces.faces[gone]]
        if new is not None:
            vertices.append(new.vertices)
            faces.append(new.faces + np.uint32(len(surfaces.vertices)))
        moving = RayCaster(np.concatenate(vertices), np.concatenate(faces), lit.threads)
        caster = EditedCaster(lit.caster, surfaces, gone, new, lit.threads)
        # A glowing shade doesn't block the lamp inside it (see `without_emitters`).
        glows = surfaces.emission[surfaces.part] > 0.0
        dark = None if new is None else new.chosen(new.emission[new.part] <= 0.0)
        shadow = EditedCaster(lit.caster, surfaces, gone | glows, dark, lit.threads)
        old, placed = ([replace(b, center=b.center - surfaces.origin) for b in some] for some in (old_boxes, new_boxes))
        return cls(lit, caster, shadow, moving, old + placed, placed)

    def with_new(self, new: Surfaces) -> Reach:
        """Return the same reach with the new surfaces cut into smaller triangles."""
        return replace(self, caster=self.caster.with_new(new))

    def fade(self, place: np.ndarray) -> np.ndarray:
        """Return (n,) float32: how much of the change of bounced light counts at places (n, 3), 1 near, 0 far."""
        part = np.clip(2.0 - distance_to(self.boxes, place) / (0.5 * REACH_M), 0.0, 1.0)
        return (part * part * (3.0 - 2.0 * part)).astype(np.float32)

    def sees_change(self, place: np.ndarray, normal: np.ndarray) -> np.ndarray:
        """Return (n,) bool: whether a ray that gathers light at places (n, 3) is on the way to what moved."""
        rays = np.empty((len(place), 6), dtype=np.float32)
        rays[:, :3] = place + normal * np.float32(LIFT_M)
        seen = np.zeros(len(place), dtype=bool)
        for direction in hemisphere(normal, self.lit.rays):
            rays[:, 3:] = direction * np.float32(FAR_M)
            seen |= self.moving.blocked(rays)
        return seen

    def shadow_changes(self, place: np.ndarray, normal: np.ndarray) -> np.ndarray:
        """Return (n,) bool: whether what moved stands or stood between a lamp and places (n, 3)."""
        changes = np.zeros(len(place), dtype=bool)
        start = place + normal * np.float32(LIFT_M)
        for lamp in self.lit.lamps:
            toward = lamp.position.astype(np.float32) - start
            facing = np.einsum("ij,ij->i", toward, normal) > 0.0
            near = np.zeros(len(place), dtype=bool)
            square = np.maximum(np.einsum("ij,ij->i", toward, toward), np.float32(1e-12))
            for box in self.boxes:
                # The nearest point of the way to the lamp, against the ball around the box: most places end here.
                middle = box.center.astype(np.float32) - start
                along = np.clip(np.einsum("ij,ij->i", middle, toward) / square, 0.0, 1.0)
                gap = np.linalg.norm(middle - along[:, None] * toward, axis=1)
                near |= gap < box.diagonal / 2.0 + LAMP_RADIUS_M + LIFT_M
            asked = np.flatnonzero(near & facing & ~changes)
            rays = np.concatenate([start[asked], toward[asked]], axis=1)
            for samples in (4, EDGE_SAMPLES):
                changes[asked] |= open_share(self.moving, rays, samples) < 1.0
        return changes


def distance_to(boxes: Sequence[OrientedBox], place: np.ndarray) -> np.ndarray:
    """Return (n,) the distances in metres from places (n, 3) to the nearest box, 0 inside; inf without boxes."""
    nearest = np.full(len(place), np.inf)
    for box in boxes:
        outside = np.abs(box.to_local(place)) - box.size / 2.0
        nearest = np.minimum(nearest, np.linalg.norm(np.maximum(outside, 0.0), axis=1))
    return nearest

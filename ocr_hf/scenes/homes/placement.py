"""A model at its place in a home."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ocr_hf.geometry.boxes import OrientedBox
from ocr_hf.scenes.homes.blocks import Block
from ocr_hf.scenes.homes.floor_plan import Wall
from ocr_hf.scenes.homes.furniture.furniture_model import Model


@dataclass(frozen=True, eq=False)
class Placement:
    """A model at its place.

    position : (3,) world, centre of its base; yaw : radians about +Z; on : the placement that it stands on or in
    """

    model: Model
    position: np.ndarray
    yaw: float
    on: Placement | None = None

    @property
    def box(self) -> OrientedBox:
        """Its oriented box."""
        center = self.position + (0.0, 0.0, self.model.size[2] / 2.0)
        return OrientedBox.upright(center, self.model.size, self.yaw)

    @cached_property
    def block(self) -> Block:
        """The space it takes."""
        x, y, z = (float(value) for value in self.position)
        width, depth, height = (float(value) for value in self.model.size)
        return Block(x, y, width, depth, self.yaw, z, z + height)

    def point(self, x: float, y: float, z: float = 0.0) -> np.ndarray:
        """Return the world point (3,) at (x, y, z) in its own frame."""
        cos, sin = np.cos(self.yaw), np.sin(self.yaw)
        return self.position + (cos * x - sin * y, sin * x + cos * y, z)

    def rests_on(self, other: Placement) -> bool:
        """Return True if `other` carries this, directly or through what it stands on."""
        under = self.on
        while under is not None:
            if under is other:
                return True
            under = under.on
        return False


def yaw_at(wall: Wall) -> float:
    """Return the yaw of furniture whose back is to a wall: its -y looks into the room."""
    x, y = wall.inward
    return float(np.arctan2(x, -y))

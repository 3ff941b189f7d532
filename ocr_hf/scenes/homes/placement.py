"""A model at its place in a home, and the space that it takes: upright boxes that must not run into each other."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ocr_hf.geometry.boxes import OrientedBox
from ocr_hf.scenes.homes.floor_plan import Wall
from ocr_hf.scenes.homes.furniture.furniture_model import Model

TOUCH_M = 1e-6
"""Boxes that overlap by less than this only touch."""


@dataclass(frozen=True)
class Block:
    """An upright box in the world: centre (x, y), full extents, yaw about +Z, extent upwards; metres and radians."""

    x: float
    y: float
    width: float
    depth: float
    yaw: float
    z0: float
    z1: float

    @cached_property
    def axes(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Unit vectors along width and depth."""
        cos, sin = math.cos(self.yaw), math.sin(self.yaw)
        return (cos, sin), (-sin, cos)

    def corners(self) -> np.ndarray:
        """Return the (4, 2) corners seen from above, counter-clockwise."""
        (ux, uy), (vx, vy) = self.axes
        signs = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) / 2.0
        return np.array([self.x, self.y]) + signs * (self.width, self.depth) @ np.array([[ux, uy], [vx, vy]])

    @cached_property
    def half_extent(self) -> tuple[float, float]:
        """Half the extents of its bounds along world x and y."""
        (ux, uy), (vx, vy) = self.axes
        return (
            (abs(ux) * self.width + abs(vx) * self.depth) / 2.0,
            (abs(uy) * self.width + abs(vy) * self.depth) / 2.0,
        )

    def grown(self, left: float = 0.0, right: float = 0.0, front: float = 0.0, back: float = 0.0) -> Block:
        """Return this block with its sides moved outwards; front is -y and right is +x in its own frame."""
        (ux, uy), (vx, vy) = self.axes
        du, dv = (right - left) / 2.0, (back - front) / 2.0
        return Block(
            self.x + du * ux + dv * vx, self.y + du * uy + dv * vy,
            self.width + left + right, self.depth + front + back, self.yaw, self.z0, self.z1,
        )  # fmt: skip


def overlap(a: Block, b: Block) -> bool:
    """Return True if two blocks share more than a touching face.

    Separating axis test in the plane, the four side normals of both; exact for upright boxes.
    """
    if a.z1 <= b.z0 + TOUCH_M or b.z1 <= a.z0 + TOUCH_M:
        return False
    dx, dy = b.x - a.x, b.y - a.y
    ax, ay = a.half_extent
    bx, by = b.half_extent
    # World-aligned bounds first: they settle most pairs of a room with four comparisons.
    if abs(dx) >= ax + bx - TOUCH_M or abs(dy) >= ay + by - TOUCH_M:
        return False
    for one, other in ((a, b), (b, a)):
        (ux, uy), (vx, vy) = other.axes
        for (px, py), half in zip(one.axes, (one.width / 2.0, one.depth / 2.0), strict=True):
            reach = (abs(ux * px + uy * py) * other.width + abs(vx * px + vy * py) * other.depth) / 2.0
            if abs(dx * px + dy * py) >= half + reach - TOUCH_M:
                return False
    return True


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

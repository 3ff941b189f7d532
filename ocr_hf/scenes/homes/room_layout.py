"""Puts furniture into one room: against walls, beside and on top of each other, never into each other."""

from __future__ import annotations

import numpy as np

from ocr_hf.scenes.homes.floor_plan import FloorPlan, Opening, RoomPlan, Wall
from ocr_hf.scenes.homes.furniture.furniture_model import Model, Surface
from ocr_hf.scenes.homes.furniture.style import Style
from ocr_hf.scenes.homes.materials import Finish
from ocr_hf.scenes.homes.placement import Block, Placement, overlap, yaw_at
from ocr_hf.scenes.homes.primitives import Shape
from ocr_hf.scenes.homes.walk_grid import HEAD_M, WalkGrid

WALL_GAP_M = 0.02
"""Between a wall and the furniture along it: room for the skirting board."""
SIDE_GAP_M = 0.01
"""Between things that stand side by side."""
FRAME_M = 0.07
"""Width of the boards around doors and windows."""
LIFT_M = 0.0005
"""Between a thing and what it stands on, so that their boxes don't share a face."""


class RoomLayout:
    """A room being furnished. Every `put` method returns the placement or None where there is no room for it."""

    def __init__(self, plan: FloorPlan, index: int, rng: np.random.Generator, style: Style) -> None:
        self.plan, self.index, self.rng, self.style = plan, index, rng, style
        self.room: RoomPlan = plan.rooms[index]
        self.placements: list[Placement] = []
        self.fixtures: list[tuple[Finish, Shape]] = []  # rugs, wall tiles: visible, but never asked about
        self.low, self.high = self.room.polygon.min(axis=0), self.room.polygon.max(axis=0)
        self.openings = [opening for opening in plan.openings if index in opening.rooms]
        self._solid: list[Block] = _notch(self.room, plan.height_m)
        self._kept_free: list[Block] = []
        doors = [opening for opening in self.openings if opening.kind != "window"]
        for opening in self.openings:
            self._kept_free.append(self._before(opening))
        # The middle of the space before each door, farther from the wall than a walker's radius: a cell that can be
        # free.
        entrances = [self._before(door).grown(back=-0.1) for door in doors]
        self._grid = WalkGrid(self.low, self.high, [np.array([e.x, e.y]) for e in entrances], self._solid)

    @property
    def area_m2(self) -> float:
        """Area of the rectangle around the room: of an L more than its floor."""
        return float((self.high - self.low).prod())

    def wall_of(self, opening: Opening) -> Wall:
        """Return this room's face of the wall that an opening is in."""
        return next(wall for wall in self.room.walls if opening.in_wall(wall))

    def _before(self, opening: Opening) -> Block:
        """Return the space before an opening that must stay free: the way through a door, the light of a window."""
        wall = self.wall_of(opening)
        reach = 0.3 if opening.kind == "window" else 0.85
        z0, z1 = (opening.z0 - 0.04, opening.z1) if opening.kind == "window" else (0.0, opening.z1)
        middle = opening.center
        middle[1 - wall.axis] = wall.start[1 - wall.axis]
        x, y = middle + wall.inward * reach / 2.0
        return Block(float(x), float(y), opening.high - opening.low + 2 * FRAME_M, reach, yaw_at(wall), z0, z1)

    # --- tests ---

    def fits(self, block: Block, ignore_kept_free: bool = False, on: Placement | None = None) -> bool:
        """Return True if a block lies in the room and runs into nothing."""
        half_x, half_y = block.half_extent
        if block.x - half_x < self.low[0] or block.x + half_x > self.high[0]:
            return False
        if block.y - half_y < self.low[1] or block.y + half_y > self.high[1] or block.z1 > self.plan.height_m:
            return False
        if any(overlap(block, solid) for solid in self._solid):
            return False
        if not ignore_kept_free and any(overlap(block, kept) for kept in self._kept_free):
            return False
        # A thing may overlap what it stands on, and what that stands on in turn: a cup in a shelf unit lies within the
        # unit's box.
        carriers = [] if on is None else [p for p in self.placements if p is on or on.rests_on(p)]
        return not any(overlap(block, other.block) for other in self.placements if other not in carriers)

    def take(self, placement: Placement, walk: bool = True) -> Placement | None:
        """Accept a placement that fits, unless it would block the way."""
        if (
            walk
            and placement.on is None
            and placement.position[2] < HEAD_M
            and not self._grid.try_add([placement.block])
        ):
            return None
        self.placements.append(placement)
        return placement

    def keep_free(self, placement: Placement, front: float) -> None:
        """Keep the floor before a placement free from now on."""
        block = placement.block
        before = block.grown(front=front, back=-block.depth)
        self._kept_free.append(Block(before.x, before.y, before.width, before.depth, before.yaw, 0.0, 1.8))

    # --- ways to place ---

    def put_at_wall(
        self,
        model: Model,
        clear: tuple[float, float, float] = (0.0, 0.0, 0.5),
        where: str = "any",
        wall: Wall | None = None,
        tries: int = 24,
        gap: float = WALL_GAP_M,
        z: float = 0.0,
    ) -> Placement | None:
        """Stand a model with its back to a wall.

        clear : metres to leave free at its left, right and front while it is placed
        where : "any", "corner", "middle" of the wall
        """
        for attempt in range(tries):
            face = self._sample_wall(wall)
            low, high = model.size[0] / 2.0 + SIDE_GAP_M, face.length - model.size[0] / 2.0 - SIDE_GAP_M
            if high < low:
                continue
            # The last third of the tries takes any place: a bathroom without a toilet would be worse than one in the
            # wrong spot.
            s = self._sample_along(low, high, where if attempt < tries * 2 // 3 else "any")
            if taken := self.put_at(face, s, model, clear, gap, z):
                return taken
        return None

    def put_at(
        self,
        wall: Wall,
        s: float,
        model: Model,
        clear: tuple[float, float, float] = (0.0, 0.0, 0.0),
        gap: float = WALL_GAP_M,
        z: float = 0.0,
    ) -> Placement | None:
        """Stand a model with its back to a wall, its middle `s` metres from the wall's start."""
        left, right, front = clear
        x, y = wall.start + wall.along * s + wall.inward * (model.size[1] / 2.0 + gap)
        placement = Placement(model, np.array([x, y, z]), yaw_at(wall))
        body = placement.block
        # The space before it may be space kept free for someone else (two cupboards share an aisle), that beside it may
        # not.
        if not self.fits(body.grown(left, right)) or not self.fits(body.grown(front=front), ignore_kept_free=True):
            return None
        return self.take(placement)

    def free_spans(self, wall: Wall, depth: float, height: float, step: float = 0.05) -> list[tuple[float, float]]:
        """Return the stretches (from, to) of a wall, metres from its start, where this depth and height are free."""
        spans: list[tuple[float, float]] = []
        for s in np.arange(SIDE_GAP_M, wall.length - step, step):
            x, y = wall.start + wall.along * (s + step / 2.0) + wall.inward * (depth / 2.0 + WALL_GAP_M)
            if not self.fits(Block(float(x), float(y), step, depth, yaw_at(wall), 0.0, height)):
                continue
            if spans and spans[-1][1] >= s - 1e-6:
                spans[-1] = (spans[-1][0], float(s + step))
            else:
                spans.append((float(s), float(s + step)))
        return spans

    def _sample_wall(self, wall: Wall | None) -> Wall:
        if wall is not None:
            return wall
        ends = np.cumsum([face.length for face in self.room.walls])
        return self.room.walls[int(np.searchsorted(ends, self.rng.random() * ends[-1], side="right"))]

    def _sample_along(self, low: float, high: float, where: str) -> float:
        if where == "corner":
            return float(low if self.rng.random() < 0.5 else high)
        if where == "middle":
            return float(np.clip((low + high) / 2.0 + self.rng.normal(0.0, 0.12 * (high - low) + 1e-9), low, high))
        return float(self.rng.uniform(low, high))

    def put_beside(
        self,
        anchor: Placement,
        model: Model,
        offset: tuple[float, float],
        turn: float = 0.0,
        z: float = 0.0,
        ignore_kept_free: bool = False,
        walk: bool = True,
        on: Placement | None = None,
    ) -> Placement | None:
        """Stand a model at `offset` in the anchor's frame, turned by `turn` against it; `on` carries it."""
        position = anchor.point(*offset)
        placement = Placement(model, np.array([position[0], position[1], z]), anchor.yaw + turn, on)
        return self.take(placement, walk) if self.fits(placement.block, ignore_kept_free, on) else None

    def put_anywhere(self, model: Model, sides: float, ends: float, tries: int = 60) -> Placement | None:
        """Stand a model on free floor, along x or y, `sides` metres free before and behind it, `ends` beside."""
        for _ in range(tries):
            yaw = float(self.rng.integers(4)) * np.pi / 2
            around = Placement(model, np.zeros(3), yaw).block.grown(ends, ends, sides, sides)
            half = np.array(around.half_extent)
            if (half * 2.0 > self.high - self.low).any():
                continue
            x, y = self.rng.uniform(self.low + half, self.high - half)
            placement = Placement(model, np.array([x, y, 0.0]), yaw)
            if self.fits(placement.block.grown(ends, ends, sides, sides)) and (taken := self.take(placement)):
                return taken
        return None

    def put_on(
        self, anchor: Placement, kind: str, model: Model, turn: float | None = 0.0, at: str = "any", tries: int = 12
    ) -> Placement | None:
        """Stand a model on one of the anchor's surfaces of this kind.

        turn : against the anchor, radians; None turns it at random
        at : "any", "back", "front", "center", "left", "right" of the surface
        """
        surfaces = [s for s in anchor.model.surfaces if s.kind == kind and s.clearance >= model.size[2] + LIFT_M]
        for _ in range(tries if surfaces else 0):
            surface = surfaces[int(self.rng.integers(len(surfaces)))]
            angle = float(self.rng.uniform(0, 2 * np.pi)) if turn is None else turn
            place = self._sample_on(surface, model, angle, at)
            if place is None:
                continue
            placement = Placement(model, anchor.point(*place, surface.z + LIFT_M), anchor.yaw + angle, anchor)
            if self.fits(placement.block, ignore_kept_free=True, on=anchor):
                return self.take(placement)
        return None

    def _sample_on(self, surface: Surface, model: Model, angle: float, at: str) -> tuple[float, float] | None:
        cos, sin = abs(np.cos(angle)), abs(np.sin(angle))
        half_x = (cos * model.size[0] + sin * model.size[1]) / 2.0
        half_y = (sin * model.size[0] + cos * model.size[1]) / 2.0
        x0, x1, y0, y1 = surface.x0 + half_x, surface.x1 - half_x, surface.y0 + half_y, surface.y1 - half_y
        if x1 < x0 or y1 < y0:
            return None
        x, y = float(self.rng.uniform(x0, x1)), float(self.rng.uniform(y0, y1))
        if at == "back":
            y = y1
        elif at == "front":
            y = y0
        elif at == "center":
            x, y = (x0 + x1) / 2.0, (y0 + y1) / 2.0
        elif at == "left":
            x, y = x0, (y0 + y1) / 2.0
        elif at == "right":
            x, y = x1, (y0 + y1) / 2.0
        return x, y

    def hang(
        self, model: Model, z: float, wall: Wall | None = None, above: Placement | None = None, tries: int = 16
    ) -> Placement | None:
        """Hang a model on a wall with its lower edge at height z; above another placement where given."""
        if above is None:
            return self.put_at_wall(model, clear=(0.05, 0.05, 0.0), wall=wall, tries=tries, gap=0.003, z=z)
        # The furniture below stands WALL_GAP_M from the wall; what hangs there keeps 3 mm, as without furniture.
        back = above.model.size[1] / 2.0 + WALL_GAP_M - 0.003
        return self.put_beside(above, model, (0.0, back - model.size[1] / 2.0), z=z, walk=False)

    def put_on_ceiling(self, model: Model, at: np.ndarray) -> Placement | None:
        """Hang a model from the ceiling at the point (2,)."""
        placement = Placement(model, np.array([at[0], at[1], self.plan.height_m - model.size[2] - LIFT_M]), 0.0)
        return self.take(placement, walk=False) if self.fits(placement.block, ignore_kept_free=True) else None


def _notch(room: RoomPlan, height: float) -> list[Block]:
    """Return what an L-shaped room lacks of its bounding rectangle, as space that is taken."""
    if room.notch is None:
        return []
    missing, reflex = room.notch
    center, size = (missing + reflex) / 2.0, np.abs(missing - reflex)
    return [Block(float(center[0]), float(center[1]), float(size[0]), float(size[1]), 0.0, 0.0, height)]

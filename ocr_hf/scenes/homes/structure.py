"""Walls, floors, ceilings, skirting and door frames as meshes, from a floor plan."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ocr_hf.scenes.homes.floor_plan import FloorPlan, Opening, RoomPlan, Wall
from ocr_hf.scenes.homes.furniture.style import WHITE
from ocr_hf.scenes.homes.materials import Finish, plain
from ocr_hf.scenes.homes.primitives import Shape, block, join, quad, triangulate
from ocr_hf.scenes.randomness import pick
from ocr_hf.scenes.scene import Mesh

SKIRTING_M = (0.012, 0.07)
"""Thickness and height of the skirting board, metres."""


@dataclass(frozen=True)
class RoomFinish:
    """What a room's floor and walls look like."""

    floor: Finish
    wall: Finish
    ceiling: Finish
    skirting: Finish


def sample_room_finish(rng: np.random.Generator, kind: str) -> RoomFinish:
    """Sample the finishes of a room of this kind."""
    woods = ((0.80, 0.62, 0.44), (0.70, 0.50, 0.34), (0.88, 0.78, 0.64), (0.52, 0.38, 0.28), (0.74, 0.68, 0.60))
    tiles = ((0.88, 0.87, 0.85), (0.62, 0.62, 0.62), (0.80, 0.74, 0.66), (0.45, 0.47, 0.50))
    walls = (
        (0.94, 0.93, 0.91),
        (0.92, 0.90, 0.85),
        (0.82, 0.86, 0.86),
        (0.86, 0.88, 0.82),
        (0.88, 0.82, 0.76),
        (0.78, 0.82, 0.87),
        (0.93, 0.89, 0.80),
        (0.80, 0.80, 0.80),
    )
    if kind == "bathroom":
        floor = Finish("tile", pick(rng, tiles))
        wall = Finish(
            pick(rng, ("tile", "subway", "plaster")),
            pick(rng, ((0.94, 0.95, 0.95), (0.80, 0.88, 0.90), (0.90, 0.88, 0.82))),
        )
    elif kind == "kitchen":
        floor = Finish(*pick(rng, (("tile", pick(rng, tiles)), ("planks", pick(rng, woods)))))
        wall = Finish("plaster", pick(rng, walls))
    elif kind in ("office", "meeting room"):
        carpets = ((0.45, 0.47, 0.50), (0.36, 0.42, 0.50), (0.58, 0.55, 0.50))
        floor = Finish(*pick(rng, (("carpet", pick(rng, carpets)), ("planks", pick(rng, woods)))))
        wall = Finish("plaster", pick(rng, walls))
    else:
        floor = Finish(pick(rng, ("planks", "planks", "parquet")), pick(rng, woods))
        if kind == "bedroom" and rng.random() < 0.25:
            floor = Finish("carpet", (0.72, 0.68, 0.62))
        wall = Finish(pick(rng, ("plaster", "plaster", "plaster", "wallpaper")), pick(rng, walls))
    if wall.kind in ("plaster", "wallpaper") and rng.random() < 0.2:
        wall = Finish(wall.kind, pick(rng, _STRONG))
    return RoomFinish(_tinted(rng, floor), _tinted(rng, wall), plain((0.96, 0.96, 0.95)), WHITE)


_STRONG = (
    (0.72, 0.36, 0.28),
    (0.30, 0.44, 0.40),
    (0.28, 0.36, 0.52),
    (0.80, 0.66, 0.36),
    (0.45, 0.40, 0.46),
    (0.58, 0.68, 0.56),
)
"""Colours of the walls in every fifth room."""


def _tinted(rng: np.random.Generator, finish: Finish) -> Finish:
    """Return a finish a little lighter or darker and of a slightly other hue: no two rooms share a colour."""
    color = np.array(finish.color) * rng.uniform(0.85, 1.08) * rng.uniform(0.94, 1.06, 3)
    r, g, b = np.clip(color, 0.02, 0.98)
    return Finish(finish.kind, (float(r), float(g), float(b)))


def structure_meshes(plan: FloorPlan, finishes: list[RoomFinish]) -> tuple[Mesh, ...]:
    """Return the meshes of everything that is built in."""
    shapes: dict[Finish, list[Shape]] = {}
    for room, finish in zip(plan.rooms, finishes, strict=True):
        floor, ceiling = _slabs(room, plan.height_m)
        shapes.setdefault(finish.floor, []).append(floor)
        shapes.setdefault(finish.ceiling, []).append(ceiling)
        for wall in room.walls:
            holes = [opening for opening in plan.openings if opening.in_wall(wall)]
            shapes.setdefault(finish.wall, []).extend(_wall_face(wall, holes, plan.height_m))
            if finish.wall.kind not in ("tile", "subway"):
                shapes.setdefault(finish.skirting, []).extend(_skirting(wall, holes))
            for hole in holes:
                shapes.setdefault(finish.skirting, []).extend(_frame(wall, hole))
    for opening in plan.openings:
        # A threshold takes the floor of the opening's first room, or there would be a gap in it through which rays
        # escape.
        floor_finish = finishes[opening.rooms[0]].floor
        shapes.setdefault(WHITE, []).extend(_reveal(opening, plan.thickness_m))
        shapes.setdefault(floor_finish, []).append(_sill(opening, plan.thickness_m))
    return tuple(_mesh(finish, parts) for finish, parts in shapes.items() if parts)


def _mesh(finish: Finish, parts: list[Shape]) -> Mesh:
    shape = join(parts)
    return Mesh(shape.vertices, shape.faces, finish.material(), shape.uv / np.float32(finish.tile_m))


def _slabs(room: RoomPlan, height: float) -> tuple[Shape, Shape]:
    polygon = room.polygon
    triangles = triangulate(polygon)
    uv = polygon.astype(np.float32)
    floor = Shape(np.column_stack([polygon, np.zeros(len(polygon))]), triangles, uv)
    ceiling = Shape(np.column_stack([polygon, np.full(len(polygon), height)]), triangles[:, ::-1].copy(), uv)
    return floor, ceiling


def _place(wall: Wall, s: float, z: float, out: float = 0.0) -> tuple[float, float, float]:
    """Return the world point `s` metres along a wall face, `out` metres into the room, at height z."""
    x, y = wall.start + wall.along * s + wall.inward * out
    return (float(x), float(y), z)


def _extent(wall: Wall, opening: Opening) -> tuple[float, float]:
    """Return where an opening begins and ends along a wall face, metres from its start."""
    ends = [abs(value - wall.start[wall.axis]) for value in (opening.low, opening.high)]
    return min(ends), max(ends)


def _wall_face(wall: Wall, holes: list[Opening], height: float) -> list[Shape]:
    """Return the rectangles of a wall face around its holes, looking into the room."""
    panels = []
    at = 0.0
    for (s0, s1), hole in sorted(((_extent(wall, hole), hole) for hole in holes), key=lambda item: item[0]):
        panels += [(at, s0, 0.0, height), (s0, s1, 0.0, hole.z0), (s0, s1, hole.z1, height)]
        at = s1
    panels.append((at, wall.length, 0.0, height))
    shapes = []
    for s0, s1, z0, z1 in panels:
        if s1 - s0 < 1e-9 or z1 - z0 < 1e-9:
            continue
        # The room is on the left when walking from start to end; seen from it, the face runs from end to start.
        face = quad(_place(wall, s1, z0), _place(wall, s0, z0), _place(wall, s0, z1), _place(wall, s1, z1))
        uv = np.array([[s1, z0], [s0, z0], [s0, z1], [s1, z1]], dtype=np.float32)
        shapes.append(face._replace(uv=uv))
    return shapes


def _strip(wall: Wall, s0: float, s1: float, z0: float, z1: float, out: float) -> Shape:
    """Return a board on a wall face, `out` metres thick."""
    a, b = np.array(_place(wall, s0, z0)), np.array(_place(wall, s1, z1, out))
    low, high = np.minimum(a, b), np.maximum(a, b)
    return block(low[0], high[0], low[1], high[1], low[2], high[2])


def _skirting(wall: Wall, holes: list[Opening]) -> list[Shape]:
    out, top = SKIRTING_M
    strips = []
    at = 0.0
    for s0, s1 in sorted(_extent(wall, hole) for hole in holes if hole.z0 < top):
        strips.append((at, s0))
        at = s1
    strips.append((at, wall.length))
    return [_strip(wall, s0, s1, 0.0, top, out) for s0, s1 in strips if s1 - s0 > 0.01]


def _frame(wall: Wall, hole: Opening) -> list[Shape]:
    """Return the boards around an opening."""
    s0, s1 = _extent(wall, hole)
    width, out = 0.06, 0.016
    boards = [
        _strip(wall, s0 - width, s0, hole.z0, hole.z1 + width, out),
        _strip(wall, s1, s1 + width, hole.z0, hole.z1 + width, out),
        _strip(wall, s0, s1, hole.z1, hole.z1 + width, out),
    ]
    if hole.kind == "window":
        boards.append(_strip(wall, s0 - width, s1 + width, hole.z0 - 0.035, hole.z0, 0.07))
    return boards


def _reveal(opening: Opening, thickness: float) -> list[Shape]:
    """Return the inner sides of a hole: two jambs and the lintel."""
    c0, c1 = opening.line - thickness / 2.0, opening.line + thickness / 2.0
    low, high, z0, z1 = opening.low, opening.high, opening.z0, opening.z1

    def side(across: float, along: float, z: float) -> tuple[float, float, float]:
        return (along, across, z) if opening.axis == 0 else (across, along, z)

    forward = np.eye(3)[opening.axis]
    return [
        _facing(forward, side(c0, low, z0), side(c1, low, z0), side(c1, low, z1), side(c0, low, z1)),
        _facing(-forward, side(c0, high, z0), side(c1, high, z0), side(c1, high, z1), side(c0, high, z1)),
        _facing(
            np.array([0.0, 0.0, -1.0]), side(c0, low, z1), side(c0, high, z1), side(c1, high, z1), side(c1, low, z1)
        ),
    ]


def _facing(direction: np.ndarray, a, b, c, d) -> Shape:
    """Return the rectangle a, b, c, d turned to look along `direction`."""
    normal = np.cross(np.subtract(b, a), np.subtract(d, a))
    return quad(a, b, c, d) if normal @ direction > 0.0 else quad(b, a, d, c)


def _sill(opening: Opening, thickness: float) -> Shape:
    """Return the floor of a hole: a threshold or a window sill."""
    c0, c1 = opening.line - thickness / 2.0, opening.line + thickness / 2.0
    low, high, z = opening.low, opening.high, opening.z0
    if opening.axis == 0:
        corners = [(low, c0), (high, c0), (high, c1), (low, c1)]
    else:
        corners = [(c0, low), (c1, low), (c1, high), (c0, high)]
    points = np.array([(x, y, z) for x, y in corners])
    return Shape(points, np.array([[0, 1, 2], [0, 2, 3]], dtype=np.int32), points[:, :2].astype(np.float32))

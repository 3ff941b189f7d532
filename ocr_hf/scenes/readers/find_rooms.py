"""The rooms of a scene whose file doesn't state them, found from its floor and walls.

The floor plan is drawn on a grid whose axes follow the walls. Along every grid line the gaps between pieces of wall
are closed, best-covered lines first, if wall covers a fair share of the line from one side of the building to the
other: that separates rooms at doors, and open-plan rooms at the stubs of wall between them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ocr_hf.geometry.cutting import triangle_areas
from ocr_hf.scenes.scene import Room, Scene

CELL_M = 0.05
SECTIONS_M = (0.4, 0.9, 1.3, 1.7)
"""Heights above the floor at which walls are cut through; what crosses at least two of them is wall."""
LAYER_M, SLAB_M = 0.05, 0.35
"""Horizontal surfaces within the first height of each other are one; within the second, sides of one slab."""
COVERED = 0.18
"""A line is closed where wall covers this share of it."""
MIN_ROOM_M2 = 3.0
"""Smaller spaces belong to the room beside them."""
CLOSED = ("door", "window")
"""Objects that bound a room although they aren't structure."""
SIMPLIFY_M = 0.08


def with_rooms(scene: Scene) -> Scene:
    """Return `scene` with `rooms` and `floor_area_m2` found from its structure; unchanged where it has rooms already.

    A scene without walls is one room; one without a horizontal surface in its structure gets none.
    """
    if scene.rooms:
        return scene
    structure = [mesh.vertices[mesh.faces] for mesh in scene.structure if len(mesh.faces)]
    floor = _floor(structure)
    if floor is None:
        return scene
    level, flat = floor
    upright = [*structure, *(_crossed(o.box.corners()) for o in scene.objects if o.label in CLOSED)]
    sections = [_cut_through(np.concatenate(upright), level + height) for height in SECTIONS_M]
    axes = _axes(np.concatenate(sections))
    flat = flat[..., :2] @ axes
    low = flat.min(axis=(0, 1)) - 3 * CELL_M
    columns, rows = (np.ptp(flat, axis=(0, 1)) / CELL_M).astype(int) + 7
    covered = _cells_under(flat, low, (rows, columns))
    # Two of four heights: what is built in at one height only (a sill, a bar counter) isn't wall, and a wall with a
    # window in it still counts.
    walls = sum(_cells_on(section @ axes, low, (rows, columns)).astype(int) for section in sections) >= 2
    regions = _rooms_between(covered, walls)
    height = max(max(float(corners[..., 2].max()) for corners in structure) - level, 2.0)
    outlines = [_outline(regions == number, low) for number in range(1, regions.max() + 1)]
    rooms = [
        Room(f"room {number}", outline @ axes.T, height_m=height, floor_z=level)
        for number, outline in enumerate(outlines, 1)
    ]
    if not rooms:
        return scene
    area = float((regions > 0).sum()) * CELL_M**2
    return replace(scene, rooms=tuple(rooms), floor_area_m2=round(area, 2))


def _floor(structure: Sequence[np.ndarray]) -> tuple[float, np.ndarray] | None:
    """Return the height of the lowest large horizontal surface and its triangles (F, 3, 3), or None.

    Of a slab it is the upper side.
    """
    if not structure:
        return None
    corners = np.concatenate(structure)
    area = triangle_areas(corners)
    flat = (np.ptp(corners[..., 2], axis=1) < 0.1) & (area > 0.0)
    corners, area = corners[flat], area[flat]
    if not len(corners):
        return None
    middle = corners[..., 2].mean(axis=1)
    layer = np.floor((middle - middle.min()) / LAYER_M).astype(int)
    total = np.bincount(layer, weights=area)
    large = np.flatnonzero(total > 0.25 * total.max())
    top = large[large <= large[0] + SLAB_M / LAYER_M].max()
    chosen = np.abs(layer - top) <= 1
    order = np.argsort(middle[chosen])
    # The median height by area: a mean would be pulled by the steps and ledges in the layer.
    half = np.searchsorted(np.cumsum(area[chosen][order]), 0.5 * area[chosen].sum())
    return float(middle[chosen][order][half]), corners[chosen]


def _crossed(corners: np.ndarray) -> np.ndarray:
    """Return the two vertical diagonal planes of a box with corners (8, 3), as triangles (4, 3, 3)."""
    # Their horizontal section is an X from corner to corner, so the box closes an opening along either axis.
    a, b = corners[[0, 1, 7, 6]], corners[[2, 3, 5, 4]]
    return np.stack([a[[0, 1, 2]], a[[0, 2, 3]], b[[0, 1, 2]], b[[0, 2, 3]]])


def _cut_through(corners: np.ndarray, height: float) -> np.ndarray:
    """Return the segments (N, 2, 2) in which triangles (F, 3, 3) cross the horizontal plane at `height`."""
    above = corners[..., 2] > height
    corners = corners[above.any(axis=1) & ~above.all(axis=1)]
    following = corners[:, [1, 2, 0]]
    crosses = (corners[..., 2] > height) != (following[..., 2] > height)
    rise = np.where(crosses, following[..., 2] - corners[..., 2], 1.0)
    share = (height - corners[..., 2]) / rise
    points = corners[..., :2] + share[..., None] * (following[..., :2] - corners[..., :2])
    return points[crosses].reshape(-1, 2, 2)


def _axes(segments: np.ndarray) -> np.ndarray:
    """Return the (2, 2) rotation, columns along the walls' main directions, nearest to x and y."""
    along = segments[:, 1] - segments[:, 0]
    length, angle = np.linalg.norm(along, axis=1), np.arctan2(along[:, 1], along[:, 0])
    # Averaging directions modulo 90 degrees: times four, opposite and perpendicular walls point the same way.
    turn = np.angle((length * np.exp(4j * angle)).sum()) / 4.0 if length.sum() > 0.0 else 0.0
    return np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])


def _cells_under(triangles: np.ndarray, low: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return the (rows, columns) bool cells that flat triangles (F, 3, 2) cover."""
    from PIL import Image, ImageDraw

    image = Image.new("1", (shape[1], shape[0]))
    draw = ImageDraw.Draw(image)
    # PIL has the centres of pixels at whole numbers, the grid has them at halves.
    for triangle in (triangles - low) / CELL_M - 0.5:
        draw.polygon([tuple(corner) for corner in triangle.tolist()], fill=1)
    return np.array(image, dtype=bool)


def _cells_on(segments: np.ndarray, low: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return the (rows, columns) bool cells that segments (N, 2, 2) pass through."""
    cells = np.zeros(shape, dtype=bool)
    for start, end in (segments - low) / CELL_M:
        steps = int(2.0 * np.linalg.norm(end - start)) + 2
        column, row = np.floor(np.linspace(start, end, steps)).astype(int).T
        inside = (row >= 0) & (column >= 0) & (row < shape[0]) & (column < shape[1])
        cells[row[inside], column[inside]] = True
    return cells


def _rooms_between(covered: np.ndarray, walls: np.ndarray) -> np.ndarray:
    """Return (rows, columns) int: the floor cells between `walls` numbered by room from 1, 0 elsewhere."""
    from scipy import ndimage

    labels, _ = ndimage.label(~walls)
    outdoors = np.isin(labels, np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])))
    indoors = covered & ~outdoors
    if indoors.sum() * CELL_M**2 < MIN_ROOM_M2:  # no closed ring of walls: the whole floor
        outdoors, indoors = ~covered, covered
    # Walls of a mesh are two faces with a hollow between them, which is no room: space counts from 30 cm of width.
    free = ndimage.binary_opening(indoors & ~walls, np.ones((6, 6), dtype=bool))
    inner = ndimage.binary_erosion(~outdoors, iterations=3)
    closed = _dividing_lines(free, inner)
    seeds, number = ndimage.label(free & ~closed)
    # Seeds first, growth second: cells on the dividing lines belong to whichever room reaches them.
    grown = _flooded(seeds, free)
    for room in range(1, number + 1):
        if (grown == room).sum() * CELL_M**2 < MIN_ROOM_M2:
            seeds[seeds == room] = 0
    _, numbers = np.unique(np.append(0, _flooded(seeds, free)), return_inverse=True)
    return numbers[1:].reshape(free.shape)


def _dividing_lines(free: np.ndarray, inner: np.ndarray) -> np.ndarray:
    """Return the free cells (rows, columns) on lines that part rooms."""
    closed = np.zeros_like(free)
    # Greedy, one line a round, because each closed line shortens the runs that the next ones are judged by. 100 is far
    # above any flat's number of doors.
    for _ in range(100):
        best_share, best = COVERED, None
        for turned in (False, True):
            open_, within = (free & ~closed, inner & ~closed)
            if turned:
                open_, within = open_.T, within.T
            share, line, start, end = _best_run(open_, within)
            if share > best_share:
                rows, columns = (line, slice(start, end)) if not turned else (slice(start, end), line)
                best_share, best = share, (rows, columns)
        if best is None:
            break
        closed[best] |= free[best]
    return closed


def _best_run(open_: np.ndarray, within: np.ndarray) -> tuple[float, int, int, int]:
    """Return (share, row, first column, end column) of the run of `within` cells in one row that wall covers best.

    Runs that are covered altogether, or hold less than a metre of wall, have nothing to close.
    """
    edges = np.diff(np.pad(within, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    row, start = np.nonzero(edges == 1)
    _, end = np.nonzero(edges == -1)
    # Wall pieces of one line may lie a cell or two apart.
    near = np.pad(~open_, ((2, 2), (0, 0)))
    wall = np.any([near[i : i + len(open_)] for i in range(5)], axis=0)
    wall_sum = np.pad(np.cumsum(wall, axis=1), ((0, 0), (1, 0)))
    open_sum = np.pad(np.cumsum(open_, axis=1), ((0, 0), (1, 0)))
    length = end - start
    covered = wall_sum[row, end] - wall_sum[row, start]
    gaps = open_sum[row, end] - open_sum[row, start]
    share = np.where((covered * CELL_M >= 1.0) & (gaps > 0) & (covered < length), covered / np.maximum(length, 1), 0.0)
    if not len(share):
        return 0.0, 0, 0, 0
    best = int(share.argmax())
    return float(share[best]), int(row[best]), int(start[best]), int(end[best])


def _flooded(seeds: np.ndarray, free: np.ndarray) -> np.ndarray:
    """Return the seeds (rows, columns) int, grown step by step over all free cells that they reach."""
    from scipy import ndimage

    cross = ndimage.generate_binary_structure(2, 1)
    grown = seeds.copy()
    while True:
        reached = ndimage.grey_dilation(grown, footprint=cross)
        new = free & (grown == 0) & (reached > 0)
        if not new.any():
            return grown
        grown[new] = reached[new]


def _outline(region: np.ndarray, low: np.ndarray) -> np.ndarray:
    """Return the outer outline (N, 2) in metres, counter-clockwise, of the largest piece of a region of cells."""
    from shapely import box, union_all
    from shapely.geometry.polygon import orient

    edges = np.diff(np.pad(region, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    row, start = np.nonzero(edges == 1)
    _, end = np.nonzero(edges == -1)
    # Runs of cells overlap by a hair, so that neighbouring rows join.
    shape = union_all(box(start, row - 1e-6, end, row + 1 + 1e-6)).simplify(SIMPLIFY_M / CELL_M)
    largest = max(getattr(shape, "geoms", [shape]), key=lambda piece: piece.area)
    return np.asarray(orient(largest).exterior.coords)[:-1] * CELL_M + low

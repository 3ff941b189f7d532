"""Where a walker can be: a grid of the floor, free of walls and furniture."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from ocr_hf.scenes.scene import Scene

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

LOW_M, HIGH_M = 0.12, 1.8
"""What lies between these heights above the floor stands in a walker's way: not rugs, not ceiling lights."""
_STEPS = ((0, 1), (1, 0), (1, 1), (1, -1))
MAX_CELLS = 25_000_000


@dataclass(frozen=True, eq=False)
class FreeFloor:
    """Cells of the floor where the centre of a walker of some radius can be.

    grid : (rows, columns) bool; cell (r, c) covers origin + cell_m * [c ... c + 1, r ... r + 1]
    clearance : (rows, columns) float32, metres from a cell's centre to the nearest obstacle
    origin : (2,) x and y, metres; cell_m : edge of a cell, metres
    """

    grid: np.ndarray
    clearance: np.ndarray
    origin: np.ndarray
    cell_m: float

    @property
    def area_m2(self) -> float:
        """Area of the free cells."""
        return float(self.grid.sum()) * self.cell_m**2

    def cells(self, points: np.ndarray) -> np.ndarray:
        """Return the (..., 2) int (row, column) of points (..., 2) in metres; may lie outside the grid."""
        return np.floor((np.asarray(points) - self.origin) / self.cell_m).astype(int)[..., ::-1]

    def centers(self, cells: np.ndarray) -> np.ndarray:
        """Return the (..., 2) centres in metres of cells (..., 2) given as (row, column)."""
        return self.origin + (np.asarray(cells)[..., ::-1] + 0.5) * self.cell_m

    def contains(self, points: np.ndarray) -> np.ndarray:
        """Return (N,) bool: which points (N, 2) lie in free cells."""
        return self._values(self.grid, points, False)

    def clearance_at(self, points: np.ndarray) -> np.ndarray:
        """Return (N,) metres from points (N, 2) to the nearest obstacle, 0 outside the grid."""
        return self._values(self.clearance, points, 0.0)

    def nearest(self, point: np.ndarray) -> np.ndarray:
        """Return the (2,) centre of the free cell nearest to a point (2,); raise ValueError if no cell is free."""
        free = np.argwhere(self.grid)
        if len(free) == 0:
            raise ValueError("no cell of the floor is free; use a smaller radius or another scene")
        centers = self.centers(free)
        return centers[int(((centers - point) ** 2).sum(axis=1).argmin())]

    def reachable(self, point: np.ndarray) -> FreeFloor:
        """Return the part that can be walked to from the free cell nearest to a point (2,)."""
        regions, _ = ndimage.label(self.grid, structure=np.ones((3, 3)))
        row, column = self.cells(self.nearest(point))
        return FreeFloor(regions == regions[row, column], self.clearance, self.origin, self.cell_m)

    def largest(self) -> FreeFloor:
        """Return the largest connected part."""
        regions, count = ndimage.label(self.grid, structure=np.ones((3, 3)))
        sizes = np.bincount(regions.ravel(), minlength=count + 1)
        sizes[0] = 0
        return FreeFloor((regions == sizes.argmax()) & self.grid, self.clearance, self.origin, self.cell_m)

    def within(self, polygon: np.ndarray) -> FreeFloor:
        """Return the part inside an outline (N, 2)."""
        return FreeFloor(self.grid & self._inside(polygon), self.clearance, self.origin, self.cell_m)

    def sees(self, start: np.ndarray, ends: np.ndarray) -> np.ndarray:
        """Return (N,) bool: whether the straight walk from `start` (2,) to each of `ends` (N, 2) stays free."""
        ends = np.atleast_2d(ends)
        steps = max(2, int(np.ceil(np.linalg.norm(ends - start, axis=1).max(initial=0.0) / self.cell_m * 2)) + 1)
        along = np.linspace(0.0, 1.0, steps)[:, None, None]
        return self.contains((start + along * (ends - start)).reshape(-1, 2)).reshape(steps, -1).all(axis=0)

    def shortest_path(self, start: np.ndarray, goal: np.ndarray) -> np.ndarray | None:
        """Return the (N, 2) corners of a short walk between the free cells nearest to two points, or None.

        Walks keep away from obstacles where there is room: a cell costs more the nearer it is to one.
        """
        return self.paths(start, np.atleast_2d(goal))[0]

    def paths(self, start: np.ndarray, goals: np.ndarray) -> list[np.ndarray | None]:
        """Return `shortest_path` from `start` (2,) to each of `goals` (N, 2), at the price of one search."""
        from scipy.sparse.csgraph import dijkstra

        number, graph = self._graph
        begin = number[tuple(self.cells(self.nearest(np.asarray(start))))]
        _, before = dijkstra(graph, directed=False, indices=begin, return_predecessors=True)
        return [self._walk(begin, number[tuple(self.cells(self.nearest(goal)))], before) for goal in goals]

    def _walk(self, begin: int, end: int, before: np.ndarray) -> np.ndarray | None:
        steps = [end]
        while steps[-1] != begin:
            if before[steps[-1]] < 0:
                return None
            steps.append(int(before[steps[-1]]))
        points = self.centers(np.argwhere(self.grid)[steps[::-1]])
        return self._straightened(points)

    def _straightened(self, points: np.ndarray) -> np.ndarray:
        """Return the points (N, 2) without those that a straight, free walk can leave out."""
        kept, last = [0], len(points) - 1
        while kept[-1] < last:
            free = self.sees(points[kept[-1]], points[kept[-1] + 1 :])
            blocked = np.flatnonzero(~free)
            # The first hidden point ends the stretch that is looked at: later ones may be seen round a corner.
            kept.append(kept[-1] + max(1, int(blocked[0]) if len(blocked) else len(free)))
        return points[kept]

    @cached_property
    def _graph(self) -> tuple[np.ndarray, csr_matrix]:
        """The (rows, columns) number of each free cell, -1 elsewhere, and the graph of steps between neighbours."""
        from scipy.sparse import csr_matrix

        number = np.full(self.grid.shape, -1, dtype=np.int64)
        number[self.grid] = np.arange(self.grid.sum())
        price = 1.0 + 0.5 / np.maximum(self.clearance / 0.3, 0.2) ** 2
        rows, columns, costs = [], [], []
        height, width = self.grid.shape
        for down, right in _STEPS:
            here = (slice(0, height - down), slice(max(0, -right), width - max(0, right)))
            there = (slice(down, height), slice(max(0, right), width - max(0, -right)))
            both = self.grid[here] & self.grid[there]
            rows.append(number[here][both])
            columns.append(number[there][both])
            costs.append(np.hypot(down, right) * (price[here][both] + price[there][both]))
        count = int(self.grid.sum())
        cells = (np.concatenate(rows), np.concatenate(columns))
        return number, csr_matrix((np.concatenate(costs), cells), shape=(count, count))

    def _values(self, array: np.ndarray, points: np.ndarray, outside: float | bool) -> np.ndarray:
        row, column = np.moveaxis(self.cells(points), -1, 0)
        inside = (row >= 0) & (column >= 0) & (row < array.shape[0]) & (column < array.shape[1])
        return np.where(inside, array[np.where(inside, row, 0), np.where(inside, column, 0)], outside)

    def _inside(self, polygon: np.ndarray) -> np.ndarray:
        filled = np.zeros(self.grid.shape, dtype=np.uint8)
        _fill(filled, polygon, self.origin, self.cell_m, 1)
        return filled.astype(bool)


def free_floor(scene: Scene, radius_m: float = 0.25, cell_m: float = 0.05) -> FreeFloor:
    """Return where the centre of a walker of `radius_m` can be.

    The floor is the rooms' outlines and the thresholds between them (what the structure's floor covers near them), or
    everything between the walls where rooms are unknown. Obstacles are the structure's triangles and the objects'
    boxes between LOW_M and HIGH_M above the floor. A scene of boxes alone is taken to have its floor around them.
    Raises ValueError for a scene without extent, or one too large for the grid.
    """
    level = min((room.floor_z for room in scene.rooms), default=0.0)
    outlines = [room.polygon for room in scene.rooms]
    corners = [mesh.vertices[mesh.faces] for mesh in scene.structure if len(mesh.faces)]
    plan = [
        *outlines,
        *(item.box.corners()[:, :2] for item in scene.objects),
        *(c[..., :2].reshape(-1, 2) for c in corners),
    ]
    if not plan:
        raise ValueError(f"scene '{scene.name}' has no rooms, objects or structure; there is no floor to walk on")
    reach = np.concatenate(outlines or plan)
    origin = reach.min(axis=0) - 0.5
    shape = tuple(np.ceil((reach.max(axis=0) + 0.5 - origin) / cell_m).astype(int)[::-1])
    if shape[0] * shape[1] > MAX_CELLS:
        raise ValueError(
            f"scene '{scene.name}' is {shape[1] * cell_m:.0f} x {shape[0] * cell_m:.0f} m, too large for cells of "
            f"{cell_m} m; use larger cells, and check that the scene is in metres"
        )
    floor = _floor_cells(outlines, corners, level, shape, origin, cell_m)
    solid = np.zeros(shape, dtype=np.uint8)
    for triangles in corners:
        _draw_triangles(solid, triangles, level, origin, cell_m)
    for item in scene.objects:
        z = item.box.corners()[:, 2] - level
        if z.min() < HIGH_M and z.max() > LOW_M and len(outline := item.box.floor_polygon()):
            _fill(solid, outline, origin, cell_m, 1)
    clearance = ndimage.distance_transform_edt(floor & ~solid.astype(bool)).astype(np.float32) * cell_m
    # A cell's own half counts as well: the distance transform measures from centre to centre.
    return FreeFloor(clearance >= radius_m + 0.5 * cell_m, clearance, origin, cell_m)


def _floor_cells(
    outlines: list[np.ndarray], corners: list[np.ndarray], level: float, shape: tuple, origin: np.ndarray, cell_m: float
) -> np.ndarray:
    inside = np.zeros(shape, dtype=np.uint8)
    if not outlines:
        return np.ones(shape, dtype=bool)
    for outline in outlines:
        _fill(inside, outline, origin, cell_m, 1)
    # Thresholds: between outlines that lie a wall's thickness apart.
    near = np.ones((3, 3), dtype=bool)
    steps = int(np.ceil(0.2 / cell_m))
    return ndimage.binary_closing(np.pad(inside.astype(bool), steps), near, iterations=steps)[
        steps:-steps, steps:-steps
    ]


def _draw_triangles(cells: np.ndarray, corners: np.ndarray, level: float, origin: np.ndarray, cell_m: float) -> None:
    """Mark what triangles (F, 3, 3) cover between LOW_M and HIGH_M above the floor."""
    import cv2

    z = corners[..., 2] - level
    inside = (z.min(axis=1) < HIGH_M) & (z.max(axis=1) > LOW_M)
    for triangle, heights in zip(corners[inside], z[inside], strict=True):
        piece = triangle
        if heights.min() < LOW_M or heights.max() > HIGH_M:
            piece = _clipped(_clipped(triangle, level + LOW_M, above=True), level + HIGH_M, above=False)
        if len(piece):
            points = np.rint((piece[:, :2] - origin) / cell_m * 16 - 8).astype(np.int32)
            cv2.fillConvexPoly(cells, points, 1, shift=4)


def _clipped(polygon: np.ndarray, height: float, above: bool) -> np.ndarray:
    """Return the part of a convex polygon (N, 3) above or below a height."""
    if len(polygon) == 0:
        return polygon
    side = polygon[:, 2] - height if above else height - polygon[:, 2]
    kept = []
    for i in range(len(polygon)):
        a, b, u, v = polygon[i - 1], polygon[i], side[i - 1], side[i]
        if (u >= 0) != (v >= 0):
            kept.append(a + (b - a) * (u / (u - v)))
        if v >= 0:
            kept.append(b)
    return np.array(kept).reshape(-1, 3)


def _fill(cells: np.ndarray, outline: np.ndarray, origin: np.ndarray, cell_m: float, value: int) -> None:
    import cv2

    points = np.rint((outline - origin) / cell_m * 16 - 8).astype(np.int32)
    cv2.fillPoly(cells, [points], value, shift=4)

"""The floor on which a person, or a camera at eye height, can stand: an occupancy grid seen from above."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy import ndimage

from ocr_hf.scenes.scene import Mesh, Scene

LOW_M, HIGH_M = 0.1, 1.8
"""What lies between these heights above the floor stands in the way."""
FLOOR_TOLERANCE_M = 0.08
"""Level triangles this near to the floor's height are floor."""
THRESHOLD_M = 0.4
"""Gaps in the floor up to this wide (door thresholds) are walked over."""
AROUND_M = 0.5
"""A scene of boxes alone has this much floor around them."""
MAX_CELLS = 25_000_000


@dataclass(frozen=True, eq=False)
class FreeFloor:
    """A grid of the floor.

    grid : (rows, columns) bool, True where the walker's centre can be; row r and column c cover the world square
        origin + cell_m * ([c, c + 1], [r, r + 1])
    origin : (2,) world x, y of the grid's corner, metres; cell_m : side of a cell
    """

    grid: np.ndarray
    origin: np.ndarray
    cell_m: float

    def cells(self, points: np.ndarray) -> np.ndarray:
        """Return (N, 2) int row and column of points (N, 2); they may lie outside the grid."""
        return np.floor((np.asarray(points, dtype=np.float64)[:, ::-1] - self.origin[::-1]) / self.cell_m).astype(int)

    def centers(self, cells: np.ndarray) -> np.ndarray:
        """Return the (N, 2) world x, y of the centres of cells (N, 2) given as row and column."""
        return self.origin + (np.asarray(cells)[:, ::-1] + 0.5) * self.cell_m

    def contains(self, points: np.ndarray) -> np.ndarray:
        """Return (N,) bool: which points (N, 2) lie on free floor."""
        row, column = self.cells(points).T
        inside = (row >= 0) & (column >= 0) & (row < self.grid.shape[0]) & (column < self.grid.shape[1])
        answer = np.zeros(len(row), dtype=bool)
        answer[inside] = self.grid[row[inside], column[inside]]
        return answer

    @property
    def area_m2(self) -> float:
        """Area of the free cells."""
        return float(self.grid.sum()) * self.cell_m**2

    def sees(self, start: np.ndarray, ends: np.ndarray) -> np.ndarray:
        """Return (N,) bool: whether the straight line from `start` (2,) to each of `ends` (N, 2) stays free."""
        ends = np.atleast_2d(ends)
        longest = np.linalg.norm(ends - start, axis=1).max(initial=0.0)
        # 0.4 of a cell between samples: a line can't step over a cell it crosses by more than a corner.
        along = np.linspace(0.0, 1.0, max(2, int(np.ceil(longest / (0.4 * self.cell_m))) + 1))[:, None, None]
        return self.contains((start + along * (ends - start)).reshape(-1, 2)).reshape(len(along), -1).all(axis=0)

    def nearest(self, point: np.ndarray) -> np.ndarray:
        """Return the free point (2,) nearest to a point (2,); ValueError where no floor is free."""
        if self.contains(np.asarray(point)[None])[0]:
            return np.array(point, dtype=np.float64)
        free = self.free_points
        if len(free) == 0:
            raise ValueError("no floor is free here; make the walker's radius smaller or check the scene's floor")
        return free[int(((free - point) ** 2).sum(axis=1).argmin())]

    @cached_property
    def free_points(self) -> np.ndarray:
        """(N, 2) centres of all free cells, metres."""
        return self.centers(np.argwhere(self.grid))

    @cached_property
    def clearance_m(self) -> np.ndarray:
        """(rows, columns) distance of each free cell to the nearest cell that is not free, metres."""
        # Padded, because outside the grid there is no floor either; the transform alone would take the border for free.
        return ndimage.distance_transform_edt(np.pad(self.grid, 1))[1:-1, 1:-1] * self.cell_m

    def largest(self) -> FreeFloor:
        """Return the largest connected part of this floor."""
        # Eight neighbours, as in the graph of ways: whatever is one part here can be walked through there.
        regions, _ = ndimage.label(self.grid, np.ones((3, 3)))
        sizes = np.bincount(regions.ravel())[1:]
        return replace(self, grid=regions == 1 + int(sizes.argmax())) if len(sizes) > 1 else self

    def shrunk(self, by_m: float) -> FreeFloor:
        """Return the floor of a walker whose radius is larger by `by_m` metres."""
        # Clearance runs between cell centres; half a cell makes it a distance to the blocked cell's edge.
        return replace(self, grid=self.clearance_m > by_m + 0.5 * self.cell_m)

    def within(self, polygon: np.ndarray) -> FreeFloor:
        """Return the part of this floor that lies inside a polygon (N, 2)."""
        mask = fill_polygon(polygon, self.origin, self.cell_m, self.grid.shape)
        return replace(self, grid=self.grid & mask)

    def shortest_path(self, start: np.ndarray, goal: np.ndarray) -> np.ndarray | None:
        """Return the corners (N, 2) of a short way between two points, both included, or None where there is none.

        Start and goal are moved to the nearest free floor; the way keeps some distance to obstacles where it can.
        """
        if not self.grid.any():
            return None
        start, goal = self.nearest(start), self.nearest(goal)
        source, target = (int(self.numbers[tuple(cell)]) for cell in self.cells(np.array([start, goal])))
        before = self._ways(source)
        if source != target and before[target] < 0:
            return None
        chain = [target]
        while chain[-1] != source:
            chain.append(int(before[chain[-1]]))
        corners = self.free_points[chain[::-1]]
        # The exact ends instead of the centres of their cells.
        corners = np.vstack([start, corners[1:-1], goal]) if len(corners) > 1 else np.vstack([start, goal])
        return self._straightened(corners)

    def _straightened(self, path: np.ndarray) -> np.ndarray:
        """Leave out corners where the straight line is free as well."""
        kept, last = [0], len(path) - 1
        while kept[-1] < last:
            hidden = np.flatnonzero(~self.sees(path[kept[-1]], path[kept[-1] + 1 :]))
            # The first hidden point ends the stretch that is looked at: later ones may be seen round a corner.
            kept.append(kept[-1] + max(1, int(hidden[0]) if len(hidden) else last - kept[-1]))
        return path[kept]

    @cached_property
    def numbers(self) -> np.ndarray:
        """(rows, columns) index of each free cell in `free_points`, -1 elsewhere."""
        number = np.full(self.grid.shape, -1)
        number[self.grid] = np.arange(int(self.grid.sum()))
        return number

    @cached_property
    def _graph(self):
        """Sparse matrix of step costs between neighbouring free cells: length, more where it is narrow."""
        from scipy.sparse import csr_matrix

        # Shortest paths hug walls. Up to 1.6 times dearer beside an obstacle and nearly free of it from half a metre:
        # the path keeps to the middle of a door but makes no detours.
        # Rounded, because the last bits of exp differ between processors, and decide between ways of equal length.
        narrow = 1.0 + np.round(0.6 * np.exp(-self.clearance_m / 0.15), 9)
        rows, columns, costs = [], [], []
        # Four of the eight neighbours; the graph is undirected.
        for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1)):
            a = (slice(0, self.grid.shape[0] - dy), slice(max(0, -dx), self.grid.shape[1] - max(0, dx)))
            b = (slice(dy, None), slice(max(0, dx), self.grid.shape[1] + min(0, dx)))
            both = self.grid[a] & self.grid[b]
            rows.append(self.numbers[a][both])
            columns.append(self.numbers[b][both])
            costs.append((np.hypot(dx, dy) * self.cell_m * (narrow[a] + narrow[b]) / 2.0)[both])
        count = int(self.grid.sum())
        return csr_matrix((np.concatenate(costs), (np.concatenate(rows), np.concatenate(columns))), (count, count))

    def _ways(self, source: int) -> np.ndarray:
        """Return for every free cell the one before it on the cheapest way from `source`, negative where none leads."""
        from scipy.sparse.csgraph import dijkstra

        return dijkstra(self._graph, directed=False, indices=source, return_predecessors=True)[1]

    def distances(self, start: np.ndarray) -> np.ndarray:
        """Return the cost (N,) of the cheapest way from a point (2,) to each of `free_points`; inf where none leads."""
        from scipy.sparse.csgraph import dijkstra

        cell = self.cells(self.nearest(start)[None])[0]
        return dijkstra(self._graph, directed=False, indices=int(self.numbers[tuple(cell)]))


def free_floor(
    scene: Scene, radius_m: float = 0.25, cell_m: float = 0.05, ignore_labels: frozenset[str] = frozenset()
) -> FreeFloor:
    """Return where a walker of this radius can stand.

    The floor is the rooms' outlines and the thresholds between them; where rooms are unknown, the structure's level
    triangles at floor height; where there is no structure either, everything around the objects. What blocks it is
    whatever lies between LOW_M and HIGH_M above it: meshes, or boxes of objects without meshes.
    ignore_labels : objects that don't block, such as {"door"} where a scene's doors are closed
    Raises ValueError for a scene without extent, or one too large for the grid.
    """
    objects = [item for item in scene.objects if item.label not in ignore_labels]
    low, high = _extent(scene)
    # Not a whole number of cells: walls would lie on the cells' edges, and the last bit of a float, which differs
    # between processors, decide on which side.
    origin = low - 2.37 * cell_m
    rows, columns = (int(count) for count in np.ceil((high - low) / cell_m + 4.0)[::-1])
    if rows * columns > MAX_CELLS:
        raise ValueError(
            f"scene '{scene.name}' is {columns * cell_m:.0f} x {rows * cell_m:.0f} m, too large for cells of "
            f"{cell_m} m; use larger cells, and check that the scene is in metres"
        )
    level = floor_height(scene)
    floor = _floor_cells(scene, level, origin, cell_m, (rows, columns))
    blocked = np.zeros((rows, columns), dtype=bool)
    if scene.structure:
        _mark(blocked, _surface_points(scene.structure, level, cell_m), origin, cell_m)
    for item in objects:
        blocked |= _taken(item, level, origin, cell_m, (rows, columns))
    # The distance between cell centres understates that between their contents by up to a cell's half diagonal.
    has_meshes = bool(scene.structure) or any(item.meshes for item in objects)
    margin = radius_m + (0.5 * np.sqrt(2.0) * cell_m if has_meshes else 0.0)
    distance = ndimage.distance_transform_edt(np.pad(floor & ~blocked, 1))[1:-1, 1:-1] * cell_m
    return FreeFloor(distance > margin, origin, cell_m)


def floor_height(scene: Scene) -> float:
    """Return the height of a scene's floor, metres: its rooms', its lowest large level surface's or lowest box's."""
    if scene.rooms:
        return min(room.floor_z for room in scene.rooms)
    if any(len(mesh.faces) for mesh in scene.structure):
        return _level_height(scene.structure)
    return float(min((item.box.corners()[:, 2].min() for item in scene.objects), default=0.0))


def _extent(scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """Return the corners (2,) of the ground that a scene covers."""
    outlines = [room.polygon for room in scene.rooms]
    if not outlines:
        outlines = [mesh.vertices[:, :2] for mesh in scene.structure]
    if not outlines:
        outlines = [item.box.corners()[:, :2] for item in scene.objects]
        # Shifting both ways grows the bounds, which is all that is read of them.
        outlines = [outline + shift for outline in outlines for shift in (-AROUND_M, AROUND_M)]
    if not sum(len(outline) for outline in outlines):
        raise ValueError(f"scene '{scene.name}' has no rooms, objects or structure; there is no floor to walk on")
    points = np.concatenate(outlines)
    return points.min(axis=0), points.max(axis=0)


def _floor_cells(scene: Scene, level: float, origin: np.ndarray, cell_m: float, shape: tuple[int, int]) -> np.ndarray:
    """Return (rows, columns) bool: where there is floor."""
    floor = np.zeros(shape, dtype=bool)
    for room in scene.rooms:
        floor |= fill_polygon(room.polygon, origin, cell_m, shape)
    if not scene.structure:
        return floor if scene.rooms else ~floor
    if not scene.rooms:
        _mark(floor, _level_points(scene.structure, level, cell_m), origin, cell_m)
    # Morphological closing: dilate by half the gap, then erode.
    # Walls block anyway (below), so any other gap between two rooms is a threshold.
    steps = int(np.ceil(THRESHOLD_M / cell_m / 2.0))
    return ndimage.binary_closing(np.pad(floor, steps), np.ones((3, 3)), iterations=steps)[steps:-steps, steps:-steps]


def _level_height(meshes: tuple[Mesh, ...]) -> float:
    """Return the height of the lowest large level surface."""
    heights, areas = [], []
    for mesh in meshes:
        corners = mesh.vertices[mesh.faces]
        normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]) / 2.0
        level = np.abs(normal[:, 2]) > 0.98 * np.linalg.norm(normal, axis=1)
        heights.append(corners[level, :, 2].mean(axis=1))
        areas.append(np.abs(normal[level, 2]))
    height, area = np.concatenate(heights), np.concatenate(areas)
    if len(height) == 0:
        return float(min(mesh.vertices[:, 2].min() for mesh in meshes))
    bins = np.round(height / FLOOR_TOLERANCE_M).astype(int)
    # The lowest large level surface, not the largest: a ceiling has the floor's area, and tables are level too. Nor the
    # lowest alone: a doorstep or the underside of a foundation would be the floor.
    total = np.bincount(bins - bins.min(), weights=area)
    lowest = int(np.flatnonzero(total > 0.3 * total.max())[0]) + bins.min()
    chosen = bins == lowest
    return float(np.average(height[chosen], weights=area[chosen]))


def _sample(corners: np.ndarray, step: float) -> np.ndarray:
    """Return points (N, 3) on triangles (F, 3, 3), at most about `step` apart."""
    longest = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(axis=1, initial=0.0)
    cuts = np.maximum(1, np.ceil(longest / step)).astype(int)
    points = []
    for count in np.unique(cuts):
        i, j = np.meshgrid(np.arange(count + 1), np.arange(count + 1))
        inside = i + j <= count
        a, b = i[inside] / count, j[inside] / count
        weights = np.stack([1.0 - a - b, a, b], axis=1)
        points.append((weights @ corners[cuts == count]).reshape(-1, 3))
    return np.concatenate(points) if points else np.zeros((0, 3))


def _level_points(meshes: tuple[Mesh, ...], floor_z: float, cell_m: float) -> np.ndarray:
    """Return points (N, 3) on level triangles at floor height."""
    found = []
    for mesh in meshes:
        corners = np.asarray(mesh.vertices)[mesh.faces]
        near = np.abs(corners[..., 2] - floor_z).max(axis=1) < FLOOR_TOLERANCE_M
        found.append(corners[near])
    return _sample(np.concatenate(found), 0.7 * cell_m)


def _surface_points(meshes: tuple[Mesh, ...], floor_z: float, cell_m: float) -> np.ndarray:
    """Return points (N, 3) on the surfaces that stand in the way."""
    low, high = floor_z + LOW_M, floor_z + HIGH_M
    found = []
    for mesh in meshes:
        corners = np.asarray(mesh.vertices)[mesh.faces]
        z = corners[..., 2]
        found.append(corners[(z.max(axis=1) > low) & (z.min(axis=1) < high)])
    # Sampled, not rasterised, since only the part between the two heights counts; 0.7 of a cell between points is dense
    # enough to leave no hole in a surface.
    points = _sample(np.concatenate(found), 0.7 * cell_m)
    return points[(points[:, 2] > low) & (points[:, 2] < high)]


def _taken(item, floor_z: float, origin: np.ndarray, cell_m: float, shape: tuple[int, int]) -> np.ndarray:
    """Return the cells that an object takes, its hollows included."""
    taken = np.zeros(shape, dtype=bool)
    z = item.box.corners()[:, 2]
    if z.max() < floor_z + LOW_M or z.min() > floor_z + HIGH_M:
        return taken
    if item.meshes:
        _mark(taken, _surface_points(item.meshes, floor_z, cell_m), origin, cell_m)
    else:
        outline = item.box.floor_polygon()
        return fill_polygon(outline, origin, cell_m, shape, grow=0.5) if len(outline) else taken
    # Meshes are surfaces: without filling, the inside of a cupboard would be floor, and a place to walk to.
    window = ndimage.find_objects(taken.astype(np.uint8))
    if window:
        taken[window[0]] = ndimage.binary_fill_holes(taken[window[0]])
    return taken


def _mark(grid: np.ndarray, points: np.ndarray, origin: np.ndarray, cell_m: float) -> None:
    column = np.floor((points[:, 0] - origin[0]) / cell_m).astype(int)
    row = np.floor((points[:, 1] - origin[1]) / cell_m).astype(int)
    inside = (row >= 0) & (column >= 0) & (row < grid.shape[0]) & (column < grid.shape[1])
    grid[row[inside], column[inside]] = True


def fill_polygon(
    polygon: np.ndarray, origin: np.ndarray, cell_m: float, shape: tuple[int, int], grow: float = 0.0
) -> np.ndarray:
    """Return (rows, columns) bool: cells whose centre lies in a polygon (N, 2), or within `grow` cells of it."""
    from shapely import Polygon, contains_xy

    area = Polygon(polygon).buffer(grow * cell_m) if grow else Polygon(polygon)
    filled = np.zeros(shape, dtype=bool)
    if area.is_empty:
        return filled
    # Only the cells within the polygon's bounds are looked at.
    low = np.clip(((area.bounds[:2] - origin) / cell_m).astype(int), 0, shape[::-1])
    high = np.clip(((area.bounds[2:] - origin) / cell_m).astype(int) + 1, 0, shape[::-1])
    xs, ys = np.meshgrid(*(origin[i] + (np.arange(low[i], high[i]) + 0.5) * cell_m for i in (0, 1)))
    filled[low[1] : high[1], low[0] : high[0]] = contains_xy(area, xs, ys)
    return filled

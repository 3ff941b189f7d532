"""Solid shapes that furniture is made of.

Every shape is closed (leaves and posters too: they have a back), its triangles are counter-clockwise seen from
outside, and its texture coordinates are metres on the surface. Vertices are shared where a surface is smooth and
doubled where it has an edge, so that smooth normals come out right.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np


class Shape(NamedTuple):
    """Triangles without a material: vertices (V, 3) float64 metres, faces (F, 3) int32, uv (V, 2) float32 metres."""

    vertices: np.ndarray
    faces: np.ndarray
    uv: np.ndarray

    def moved(self, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Shape:
        """Return the shape shifted by (x, y, z) metres."""
        return self._replace(vertices=self.vertices + (x, y, z))

    def turned(self, angle_rad: float, axis: int = 2) -> Shape:
        """Return the shape turned counter-clockwise by `angle_rad` about world axis 0 (x), 1 (y) or 2 (z)."""
        cos, sin = np.cos(angle_rad), np.sin(angle_rad)
        first, second = (axis + 1) % 3, (axis + 2) % 3
        vertices = self.vertices.copy()
        vertices[:, first] = cos * self.vertices[:, first] - sin * self.vertices[:, second]
        vertices[:, second] = sin * self.vertices[:, first] + cos * self.vertices[:, second]
        return self._replace(vertices=vertices)


def join(shapes: list[Shape]) -> Shape:
    """Return several shapes as one."""
    if len(shapes) == 1:
        return shapes[0]
    faces, offset = [], 0
    for shape in shapes:
        faces.append(shape.faces + np.int32(offset))
        offset += len(shape.vertices)
    return Shape(
        np.concatenate([shape.vertices for shape in shapes]),
        np.concatenate(faces),
        np.concatenate([shape.uv for shape in shapes]),
    )


# --- boxes ---------------------------------------------------------------------------------------------------------

_SIDES = (  # (normal axis, sign, axis along u, axis along v)
    (0, 1, 1, 2), (0, -1, 1, 2), (1, 1, 0, 2), (1, -1, 0, 2), (2, 1, 0, 1), (2, -1, 0, 1),
)  # fmt: skip


@lru_cache
def _grid_box(cells: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (vertices in [-1, 1]^3, faces, (V, 2) axes along u and v) of a box of grids."""
    steps = np.linspace(-1.0, 1.0, cells + 1)
    u, v = (grid.ravel() for grid in np.meshgrid(steps, steps, indexing="ij"))
    corner = (np.arange(cells)[:, None] * (cells + 1) + np.arange(cells)).ravel()
    quads = np.stack([corner, corner + cells + 1, corner + cells + 2, corner + 1], axis=1)
    triangles = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    vertices, faces, axes = [], [], []
    for side, (normal, sign, along_u, along_v) in enumerate(_SIDES):
        points = np.empty((len(u), 3))
        points[:, normal], points[:, along_u], points[:, along_v] = sign, u, v
        # On three of the six sides u and v are left-handed: there the triangles are turned over.
        outward = np.cross(np.eye(3)[along_u], np.eye(3)[along_v])[normal] * sign > 0
        faces.append((triangles if outward else triangles[:, ::-1]) + side * len(u))
        vertices.append(points)
        axes.append(np.tile([along_u, along_v], (len(u), 1)))
    return np.concatenate(vertices), np.concatenate(faces).astype(np.int32), np.concatenate(axes)


@lru_cache
def _uv_columns(cells: int, x_to_y: int, x_to_z: int, y_to_z: int) -> np.ndarray:
    """Return for each vertex of a grid box which coordinates are its u and v: u is the longer side.

    x_to_y ... : 1 where the box is longer along the second axis named than along the first
    """
    axes = _grid_box(cells)[2]
    second_longer = {(0, 1): x_to_y, (0, 2): x_to_z, (1, 2): y_to_z}
    swap = np.array([second_longer[(int(u), int(v))] for u, v in axes], dtype=bool)
    columns = np.where(swap[:, None], axes[:, ::-1], axes) + 3 * np.arange(len(axes))[:, None]
    columns.setflags(write=False)
    return columns


def _box_uv(points: np.ndarray, cells: int, size: tuple[float, float, float]) -> np.ndarray:
    """Return texture coordinates in metres; u follows the longer side of each face so that wood grain does."""
    x, y, z = size
    return points.take(_uv_columns(cells, y > x, z > x, z > y)).astype(np.float32)


def box(size: tuple[float, float, float], center: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Shape:
    """Return a box of full extents `size` about `center`."""
    unit, faces, _ = _grid_box(1)
    points = unit * (size[0] / 2.0, size[1] / 2.0, size[2] / 2.0)
    return Shape(points + center, faces, _box_uv(points, 1, size))


def block(x0: float, x1: float, y0: float, y1: float, z0: float, z1: float) -> Shape:
    """Return the box between two corners, which is how furniture is easiest to describe."""
    return box((x1 - x0, y1 - y0, z1 - z0), ((x0 + x1) / 2.0, (y0 + y1) / 2.0, (z0 + z1) / 2.0))


def rounded_box(
    size: tuple[float, float, float], radius: float, center: tuple[float, float, float] = (0.0, 0.0, 0.0), arc: int = 2
) -> Shape:
    """Return a box of full extents `size` whose edges are rounded with `radius`: cushions, mattresses, appliances."""
    sign, direction, faces = _rounding(arc)
    half = np.asarray(size) / 2.0
    # At exactly half a side the flat parts vanish, and their triangles have no area.
    radius = min(radius, float(half.min()) * 0.999)
    points = sign * (half - radius) + radius * direction
    return Shape(points + center, faces, _box_uv(points, 2 * arc + 1, size))


@lru_cache
def _rounding(arc: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (signs (V, 3), directions from the rounding's centre (V, 3), faces) of a rounded box."""
    unit, faces, _ = _grid_box(2 * arc + 1)
    # Of the 2 arc + 2 grid lines the two middle ones bound the flat part; the others lie on the rounding.
    width = 1.0 / (2 * arc + 1)
    sign = np.sign(unit)
    # tan spaces the grid lines by equal angles on the rounded edge, as on a cube map.
    direction = sign * np.tan((np.abs(unit) - width) / (1.0 - width) * (np.pi / 4.0))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    return sign, direction, faces


def pillow_shape(width: float, depth: float, height: float, cells: int = 8) -> Shape:
    """Return a stuffed cushion lying flat, centred on the origin: thick in the middle, pointed corners."""
    steps = np.linspace(-1.0, 1.0, cells + 1)
    u, v = (grid.ravel() for grid in np.meshgrid(steps, steps, indexing="ij"))
    bulge = ((1.0 - u**2) * (1.0 - v**2)) ** 0.42
    # Sides drawn in by 6 % leave the corners pointed, as on a stuffed cover.
    pinch = 1.0 - 0.06 * (1.0 - v**2) * u**2, 1.0 - 0.06 * (1.0 - u**2) * v**2
    corner = (np.arange(cells)[:, None] * (cells + 1) + np.arange(cells)).ravel()
    quads = np.stack([corner, corner + cells + 1, corner + cells + 2, corner + 1], axis=1)
    top = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    flat = np.stack([u * pinch[0] * width / 2.0, v * pinch[1] * depth / 2.0], axis=1)
    upper = np.column_stack([flat, bulge * height / 2.0])
    lower = np.column_stack([flat, -bulge * height / 2.0])
    uv = flat.astype(np.float32)
    faces = np.concatenate([top, top[:, ::-1] + len(u)])
    return Shape(np.concatenate([upper, lower]), faces.astype(np.int32), np.concatenate([uv, uv]))


# --- round things --------------------------------------------------------------------------------------------------


@lru_cache
def _circle(segments: int) -> np.ndarray:
    """Return (segments + 1, 2) points of the unit circle, counter-clockwise, the first repeated at the end."""
    angle = np.linspace(0.0, 2.0 * np.pi, segments + 1)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    # The seam must close to the last bit, and sin(2 pi) isn't quite 0.
    circle[-1] = circle[0]
    circle.setflags(write=False)
    return circle


@lru_cache
def _strip_faces(
    rows: int, columns: int, first_is_point: bool = False, last_is_point: bool = False, apart: bool = False
) -> np.ndarray:
    """Return the triangles of a (rows, columns) grid of vertices, looking towards +(column x row).

    Where the first or last row is one and the same point, the triangles without an area are left out.
    apart : only every second strip is there; each has two rows of its own
    """
    corner = (np.arange(0, rows - 1, 2 if apart else 1)[:, None] * columns + np.arange(columns - 1)).ravel()
    quads = np.stack([corner, corner + 1, corner + columns + 1, corner + columns], axis=1)
    lower, upper = quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]
    if first_is_point:
        lower = lower[columns - 1 :]
    if last_is_point:
        upper = upper[: len(upper) - (columns - 1)]
    faces = np.concatenate([lower, upper]).astype(np.int32)
    faces.setflags(write=False)
    return faces


def surface(points: np.ndarray, uv: np.ndarray) -> Shape:
    """Return the open surface through a (rows, columns, 3) grid of points."""
    rows, columns = points.shape[:2]
    return Shape(points.reshape(-1, 3), _strip_faces(rows, columns), uv.reshape(-1, 2).astype(np.float32))


def lathe(profile: list[tuple[float, float]] | np.ndarray, segments: int = 20, smooth: bool = False) -> Shape:
    """Return the solid of revolution about z of a profile of (radius, z) points that runs upwards on the outside.

    The ends are closed by discs where their radius is not 0; a profile that returns to its start is a ring.
    `smooth` shares vertices between the bands.
    """
    profile = np.asarray(profile, dtype=np.float64)
    step = profile[1:] - profile[:-1]
    length = np.concatenate([[0.0], np.cumsum(np.sqrt((step**2).sum(axis=1)))])
    if not smooth:
        # Each band has its own two rows of vertices.
        twice = np.repeat(np.arange(len(profile)), 2)[1:-1]
        profile, length = profile[twice], length[twice]
    rows, radius = len(profile), profile[:, 0]
    points = np.empty((rows, segments + 1, 3))
    points[..., :2] = radius[:, None, None] * _circle(segments)
    points[..., 2] = profile[:, 1:]
    uv = np.empty((rows, segments + 1, 2))
    uv[..., 0] = _turns(segments) * max(float(radius.max()), 1e-6)
    uv[..., 1] = length[:, None]
    faces = _strip_faces(rows, segments + 1, bool(radius[0] == 0.0), bool(radius[-1] == 0.0), not smooth)
    shapes = [Shape(points.reshape(-1, 3), faces, uv.reshape(-1, 2).astype(np.float32))]
    if (profile[0] == profile[-1]).all():
        return shapes[0]
    if radius[0] > 0.0:
        shapes.append(_disc(radius[0], profile[0, 1], segments, up=False))
    if radius[-1] > 0.0:
        shapes.append(_disc(radius[-1], profile[-1, 1], segments, up=True))
    return join(shapes)


@lru_cache
def _turns(segments: int) -> np.ndarray:
    return np.linspace(0.0, 2.0 * np.pi, segments + 1)


def _disc(radius: float, z: float, segments: int, up: bool) -> Shape:
    vertices = np.empty((segments, 3))
    vertices[:, :2] = _circle(segments)[:-1] * radius
    vertices[:, 2] = z
    faces = _fan_faces(segments)
    return Shape(vertices, faces if up else faces[:, ::-1], vertices[:, :2].astype(np.float32))


def cylinder(
    radius: float, z0: float, z1: float, x: float = 0.0, y: float = 0.0, top: float | None = None, segments: int = 16
) -> Shape:
    """Return an upright cylinder from z0 to z1, or a cone frustum with radius `top` at z1."""
    return lathe([(radius, z0), (radius if top is None else top, z1)], segments).moved(x, y)


def ellipsoid(
    radii: tuple[float, float, float], center: tuple[float, float, float] = (0, 0, 0), rings: int = 8
) -> Shape:
    """Return an ellipsoid with the half axes `radii`."""
    angle = np.linspace(-np.pi / 2.0, np.pi / 2.0, rings + 1)
    profile = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    profile[[0, -1], 0] = 0.0
    ball = lathe(profile, 2 * rings, smooth=True)
    return Shape(ball.vertices * radii + center, ball.faces, ball.uv * np.float32(max(radii)))


def tube(path: list[tuple[float, float, float]] | np.ndarray, radius: float, segments: int = 8) -> Shape:
    """Return a round bar along a polyline (N, 3): handles, taps, chair frames, cables."""
    path = np.asarray(path, dtype=np.float64)
    step = path[1:] - path[:-1]
    lengths = np.sqrt((step**2).sum(axis=1))
    step /= lengths[:, None]
    tangent = np.concatenate([step[:1], step[:-1] + step[1:], step[-1:]])
    tangent /= np.sqrt((tangent**2).sum(axis=1))[:, None]
    side = np.zeros(3)
    # The axis that the path runs along least: another might be parallel to it.
    side[int(np.abs(tangent[0]).argmin())] = 1.0
    sides = np.empty_like(tangent)
    # A parallel-transport frame: the side vector is carried along and re-orthogonalised, so the tube doesn't twist at
    # bends as a Frenet frame would.
    for i, forward in enumerate(tangent):
        side = side - forward * (side @ forward)
        side /= math.sqrt(side @ side)
        sides[i] = side
    up = tangent[:, [1, 2, 0]] * sides[:, [2, 0, 1]] - tangent[:, [2, 0, 1]] * sides[:, [1, 2, 0]]
    circle = radius * _circle(segments)
    points = path[:, None] + circle[:, :1] * sides[:, None] + circle[:, 1:] * up[:, None]
    uv = np.empty((len(path), segments + 1, 2))
    uv[..., 0] = np.linspace(0.0, 2.0 * np.pi * radius, segments + 1)
    uv[0, :, 1], uv[1:, :, 1] = 0.0, np.cumsum(lengths)[:, None]
    return join([surface(points, uv), fan(points[0, :-1][::-1]), fan(points[-1, :-1])])


def fan(ring: np.ndarray) -> Shape:
    """Return the flat convex polygon (N, 3), counter-clockwise seen from where it faces."""
    return Shape(ring.copy(), _fan_faces(len(ring)), ring[:, :2].astype(np.float32))


@lru_cache
def _fan_faces(count: int) -> np.ndarray:
    middle = np.arange(1, count - 1, dtype=np.int32)
    faces = np.stack([np.zeros_like(middle), middle, middle + 1], axis=1)
    faces.setflags(write=False)
    return faces


# --- prisms and sheets ---------------------------------------------------------------------------------------------


def triangulate(polygon: np.ndarray) -> np.ndarray:
    """Return (N - 2, 3) triangles of a simple counter-clockwise polygon (N, 2) by cutting ears."""
    left = list(range(len(polygon)))
    triangles = []
    while len(left) > 3:
        for i in range(len(left)):
            ear = left[i - 1], left[i], left[(i + 1) % len(left)]
            a, b, c = polygon[list(ear)]
            if _cross(b - a, c - b) <= 1e-12:
                continue
            # Ear clipping (Meisters 1975): a convex corner whose triangle holds no other corner can be cut off.
            others = polygon[[j for j in left if j not in ear]]
            inside = (
                (_cross(b - a, others - a) >= 0) & (_cross(c - b, others - b) >= 0) & (_cross(a - c, others - c) >= 0)
            )
            if not inside.any():
                triangles.append(ear)
                left.pop(i)
                break
        else:
            raise ValueError(f"polygon {polygon.tolist()} is not simple and counter-clockwise; reorder its corners")
    return np.array([*triangles, left], dtype=np.int32)


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


def prism(polygon: list[tuple[float, float]] | np.ndarray, z0: float, z1: float) -> Shape:
    """Return the upright prism over a simple counter-clockwise polygon (N, 2)."""
    polygon = np.asarray(polygon, dtype=np.float64)
    count = len(polygon)
    triangles = triangulate(polygon)
    following = np.roll(polygon, -1, axis=0)
    length = np.linalg.norm(following - polygon, axis=1)
    start = np.concatenate([[0.0], np.cumsum(length)[:-1]])
    sides = np.empty((count, 4, 3))
    sides[:, [0, 3], :2], sides[:, [1, 2], :2] = polygon[:, None], following[:, None]
    sides[:, :2, 2], sides[:, 2:, 2] = z0, z1
    side_uv = np.empty((count, 4, 2))
    side_uv[:, [0, 3], 0], side_uv[:, [1, 2], 0] = start[:, None], (start + length)[:, None]
    side_uv[..., 1] = sides[..., 2]
    quads = 4 * np.arange(count)[:, None]
    side_faces = np.concatenate([quads + [0, 1, 2], quads + [0, 2, 3]])
    caps = [np.column_stack([polygon, np.full(count, z)]) for z in (z0, z1)]
    return Shape(
        np.concatenate([sides.reshape(-1, 3), *caps]),
        np.concatenate([side_faces, triangles[:, ::-1] + 4 * count, triangles + 5 * count]).astype(np.int32),
        np.concatenate([side_uv.reshape(-1, 2), polygon, polygon]).astype(np.float32),
    )


def extruded(profile: list[tuple[float, float]] | np.ndarray, x0: float, x1: float) -> Shape:
    """Return a counter-clockwise profile of (y, z) points drawn out along x from x0 to x1."""
    solid = prism(profile, x0, x1)
    return solid._replace(vertices=solid.vertices[:, [2, 0, 1]])


def sheet(points: np.ndarray, uv: np.ndarray | None = None, thickness: float = 0.001) -> Shape:
    """Return a thin closed skin around a (rows, columns, 3) grid of points: leaves, cloth, paper.

    It faces along (column direction x row direction); the back lies `thickness` metres behind.
    """
    rows, columns = points.shape[:2]
    if uv is None:
        u = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points[0], axis=0), axis=1))])
        v = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points[:, 0], axis=0), axis=1))])
        uv = np.stack(np.broadcast_arrays(u[None, :], v[:, None]), axis=-1)
    normal = np.cross(_slope(points, 1), _slope(points, 0)).reshape(-1, 3)
    normal /= np.maximum(np.sqrt((normal**2).sum(axis=1, keepdims=True)), 1e-12)
    front = points.reshape(-1, 3)
    uv = np.broadcast_to(uv.reshape(-1, 2), (len(front), 2)).astype(np.float32)
    vertices = np.concatenate([front, front - thickness * normal])
    return Shape(vertices, _sheet_faces(rows, columns), np.concatenate([uv, uv]))


def _slope(points: np.ndarray, axis: int) -> np.ndarray:
    """Return the direction of a grid of points along an axis, by central differences."""
    points = np.moveaxis(points, axis, 0)
    ahead = np.concatenate([points[1:], points[-1:]])
    behind = np.concatenate([points[:1], points[:-1]])
    return np.moveaxis(ahead - behind, 0, axis)


@lru_cache
def _sheet_faces(rows: int, columns: int) -> np.ndarray:
    """Return the triangles of a sheet's front, back and rim; the back's vertices follow the front's."""
    rim = np.concatenate([
        np.arange(columns), np.arange(2 * columns - 1, rows * columns, columns),
        np.arange(rows * columns - 2, (rows - 1) * columns - 1, -1), np.arange((rows - 2) * columns, 0, -columns),
    ])  # fmt: skip
    ahead, count = np.roll(rim, -1), rows * columns
    edge = np.concatenate([np.stack([rim + count, ahead + count, ahead], 1), np.stack([rim + count, ahead, rim], 1)])
    front = _strip_faces(rows, columns)
    faces = np.concatenate([front, front[:, ::-1] + count, edge]).astype(np.int32)
    faces.setflags(write=False)
    return faces


def picture_plane(half: float, y: float, z0: float, z1: float) -> Shape:
    """Return the upright rectangle -half ... half by z0 ... z1 at depth y, looking to -y, for one whole picture."""
    return quad((-half, y, z0), (half, y, z0), (half, y, z1), (-half, y, z1), 1.0, 1.0)


def quad(a, b, c, d, width: float | None = None, height: float | None = None) -> Shape:
    """Return one rectangle a, b, c, d, counter-clockwise seen from its front; uv runs 0 ... width, 0 ... height.

    Not closed: for walls, floors and pictures laid on a solid. Width and height default to the side lengths, so
    that uv is metres; give 1 and 1 to stretch a picture over it.
    """
    points = np.array([a, b, c, d], dtype=np.float64)
    width = float(np.linalg.norm(points[1] - points[0])) if width is None else width
    height = float(np.linalg.norm(points[3] - points[0])) if height is None else height
    uv = np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float32)
    return Shape(points, np.array([[0, 1, 2], [0, 2, 3]], dtype=np.int32), uv)

"""What a piece of furniture is before it stands in a room, and how to put one together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ocr_hf.geometry.boxes import OrientedBox
from ocr_hf.scenes.homes.materials import Finish
from ocr_hf.scenes.homes.primitives import Shape, join
from ocr_hf.scenes.scene import Material, Mesh


@dataclass(frozen=True)
class Surface:
    """A level place on which smaller things can stand, in the model's frame.

    z : its height; x0, x1, y0, y1 : its extent; clearance : free height above it, all metres
    kind : "top", "seat", "bed", "shelf", "counter": what stands there depends on it
    """

    kind: str
    z: float
    x0: float
    x1: float
    y0: float
    y1: float
    clearance: float = 2.0


@dataclass(frozen=True, eq=False)
class Model:
    """A piece of furniture in its own frame: footprint centred on the origin, base at z = 0, front towards -y.

    label : its category as VSI-Bench names it
    size : (3,) tight extents of the meshes, metres
    meshes : its surfaces; surfaces : where other things can stand
    """

    label: str
    size: np.ndarray
    meshes: tuple[Mesh, ...]
    surfaces: tuple[Surface, ...] = ()

    def placed(self, position: np.ndarray, yaw_rad: float) -> tuple[OrientedBox, tuple[Mesh, ...]]:
        """Return its box and meshes in the world, turned by `yaw_rad`, its base centre at `position`."""
        cos, sin = np.cos(yaw_rad), np.sin(yaw_rad)
        turn = np.array([[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]])
        center = np.asarray(position, dtype=np.float64) + (0.0, 0.0, self.size[2] / 2.0)
        meshes = tuple(
            Mesh(mesh.vertices @ turn + position, mesh.faces, mesh.material, mesh.uv, mesh.vertex_colors)
            for mesh in self.meshes
        )
        return OrientedBox.upright(center, self.size, yaw_rad), meshes


class Parts:
    """Collects shapes by finish and makes a model of them."""

    def __init__(self) -> None:
        self._shapes: dict[Finish | Material, list[Shape]] = {}
        self._surfaces: list[Surface] = []
        self._count = 0

    def add(self, finish: Finish, *shapes: Shape) -> None:
        """Add shapes with one finish; each gets its own patch of the texture."""
        kept = self._shapes.setdefault(finish, [])
        for shape in shapes:
            self._count += 1
            # Golden-ratio steps spread the offsets evenly: two boards of one table never show the same grain.
            offset = np.float32((0.381966 * self._count % 1.0, 0.618034 * self._count % 1.0))
            kept.append(shape._replace(uv=shape.uv / np.float32(finish.tile_m) + offset))

    def add_picture(self, material: Material, *shapes: Shape) -> None:
        """Add shapes whose uv already addresses the material's picture."""
        self._shapes.setdefault(material, []).extend(shapes)

    def surface(self, kind: str, z: float, x0: float, x1: float, y0: float, y1: float, clearance: float = 2.0) -> None:
        """Declare a place where things can stand."""
        self._surfaces.append(Surface(kind, z, x0, x1, y0, y1, clearance))

    def model(self, label: str) -> Model:
        """Return the model, moved so that its footprint is centred and its base at z = 0."""
        merged = {key: join(shapes) for key, shapes in self._shapes.items()}
        low = np.min([shape.vertices.min(axis=0) for shape in merged.values()], axis=0)
        high = np.max([shape.vertices.max(axis=0) for shape in merged.values()], axis=0)
        origin = np.array([(low[0] + high[0]) / 2.0, (low[1] + high[1]) / 2.0, low[2]])
        meshes = tuple(
            Mesh(
                shape.vertices - origin,
                shape.faces,
                key.material() if isinstance(key, Finish) else key,
                shape.uv,
            )
            for key, shape in merged.items()
        )
        x, y, z = origin
        surfaces = tuple(
            Surface(s.kind, s.z - z, s.x0 - x, s.x1 - x, s.y0 - y, s.y1 - y, s.clearance) for s in self._surfaces
        )
        return Model(label, high - low, meshes, surfaces)

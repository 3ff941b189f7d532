"""Every piece of furniture: plausible size, in its own frame, closed surfaces that look outwards, seeded variety."""

from __future__ import annotations

import inspect
from importlib import import_module

import numpy as np
import open3d
import pytest

from ocr_hf.scenes.homes.furniture.furniture_model import Model, Parts
from ocr_hf.scenes.homes.furniture.style import sample_style
from ocr_hf.scenes.randomness import generator
from tests.scenes.meshes import closed_parts

MODULES = ("appliances", "belongings", "decor", "electronics", "lighting", "openings", "sanitary", "seating")
MODULES += ("sleeping", "storage", "tables", "tableware")
LONGEST_M = {  # category -> shortest and longest of its longest dimension, metres
    "backpack": (0.26, 0.83),
    "bathtub": (1.38, 1.9),
    "bed": (1.52, 2.72),
    "bookshelf": (0.56, 2.69),
    "bottle": (0.12, 0.5),
    "ceiling light": (0.23, 2.22),
    "chair": (0.52, 1.39),
    "clock": (0.19, 0.67),
    "closet": (0.99, 2.72),
    "cup": (0.05, 0.22),
    "curtain": (1.5, 2.4),
    "desk": (0.73, 2.42),
    "door": (1.83, 2.15),
    "fireplace": (0.88, 2.33),
    "guitar": (0.71, 1.32),
    "keyboard": (0.23, 0.58),
    "lamp": (0.22, 2.13),
    "laptop": (0.19, 0.56),
    "microwave": (0.33, 0.96),
    "monitor": (0.33, 0.98),
    "nightstand": (0.33, 1.14),
    "piano": (1, 1.84),
    "pillow": (0.23, 1.02),
    "printer": (0.3, 0.8),
    "radiator": (0.6, 1.46),
    "refrigerator": (0.61, 2.34),
    "sink": (0.6, 1.41),
    "sofa": (0.68, 3.25),
    "stool": (0.26, 1.1),
    "stove": (0.8, 1.23),
    "suitcase": (0.31, 1.24),
    "table": (0.39, 2.81),
    "telephone": (0.11, 0.58),
    "toilet": (0.38, 1.08),
    "towel": (0.29, 1.18),
    "trash bin": (0.21, 1.29),
    "tv": (0.43, 1.79),
    "washer": (0.7, 1.08),
    "whiteboard": (0.67, 2.98),
}


def makers() -> dict:
    found = {}
    for name in MODULES:
        module = import_module(f"ocr_hf.scenes.homes.furniture.{name}")
        for key, function in inspect.getmembers(module, inspect.isfunction):
            parameters = list(inspect.signature(function).parameters)
            if (
                function.__module__ == module.__name__
                and not key.startswith("_")
                and parameters[:2] == ["rng", "style"]
            ):
                found[key] = function
    return found


MAKERS = makers()


def make(name: str, seed: int) -> Model:
    rng = generator(seed, name)
    function = MAKERS[name]
    sizes = {
        key: {"width": 0.9, "height": 2.0}[key]
        for key, parameter in inspect.signature(function).parameters.items()
        if parameter.default is parameter.empty and key in ("width", "height")
    }
    return function(rng, sample_style(rng), **sizes)


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_a_model_stands_in_its_own_frame_and_looks_outwards(name: str) -> None:
    for seed in range(4):
        model = make(name, seed)
        points = np.concatenate([mesh.vertices for mesh in model.meshes])
        assert np.allclose(points.max(axis=0), [model.size[0] / 2, model.size[1] / 2, model.size[2]], atol=1e-9)
        assert np.allclose(points.min(axis=0), [-model.size[0] / 2, -model.size[1] / 2, 0.0], atol=1e-9)
        if model.label in LONGEST_M:
            low, high = LONGEST_M[model.label]
            assert low <= model.size.max() <= high, (model.label, model.size)
        for mesh in model.meshes:
            assert np.isfinite(mesh.vertices).all() and np.isfinite(mesh.uv).all()
            assert mesh.uv.shape == (len(mesh.vertices), 2)
            assert mesh.faces.min() >= 0 and mesh.faces.max() < len(mesh.vertices)
            corners = mesh.vertices[mesh.faces]
            areas = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / 2
            assert (areas > 1e-10).all()
        for surface in model.surfaces:
            assert 0.0 < surface.z <= model.size[2] + 1e-9 and surface.clearance > 0.0
            assert -model.size[0] / 2 <= surface.x0 < surface.x1 <= model.size[0] / 2
            assert -model.size[1] / 2 <= surface.y0 < surface.y1 <= model.size[1] / 2


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_a_model_is_a_function_of_its_seed(name: str) -> None:
    first, again = make(name, 3), make(name, 3)
    assert all((a.vertices == b.vertices).all() for a, b in zip(first.meshes, again.meshes, strict=True))
    looks = {
        tuple(mesh.vertices.tobytes() + repr(mesh.material).encode() for mesh in make(name, s).meshes) for s in range(5)
    }
    assert len(looks) > 1


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_everything_but_pictures_is_solid_and_looks_outwards(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    solids = []
    add = Parts.add
    monkeypatch.setattr(
        Parts, "add", lambda self, finish, *shapes: (solids.extend(shapes), add(self, finish, *shapes))[1]
    )
    for seed in range(3):
        make(name, seed)
    assert solids
    for shape in solids:
        volumes, opened = closed_parts(shape.vertices, shape.faces)
        assert opened == 0 and volumes and min(volumes) > 0.0


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_no_two_finishes_share_a_surface_that_is_seen(name: str) -> None:
    """Where they do, which of them a ray meets is up to rounding, and the picture flickers as the camera moves."""
    for seed in range(3, 6):
        model = make(name, seed)
        rng = generator(seed, "rays")
        directions = rng.normal(size=(2000, 3)) * (1.0, 1.0, 0.5)
        directions[:, 2] = -np.abs(directions[:, 2])
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        targets = rng.uniform(-0.5, 0.5, (2000, 3)) * model.size + (0.0, 0.0, model.size[2] / 2)
        rays = np.hstack([targets - 2.0 * np.linalg.norm(model.size) * directions, directions])
        ray, distance, finish, normal = crossings(model, rays.astype(np.float32))
        first = np.flatnonzero(np.diff(ray, prepend=-1) != 0)
        first = first[(first + 1 < len(ray)) & (ray[(first + 1) % len(ray)] == ray[first])]
        after = first + 1
        same_place = (distance[after] - distance[first] < 2e-4) & (finish[after] != finish[first])
        assert not (same_place & ((normal[after] * normal[first]).sum(axis=1) > 0.99)).any()


def crossings(model: Model, rays: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return ray number, distance, mesh number and face normal of all crossings, ray by ray and near to far."""
    scene, normals = open3d.t.geometry.RaycastingScene(nthreads=1), []
    for mesh in model.meshes:
        scene.add_triangles(
            open3d.core.Tensor(mesh.vertices.astype(np.float32)), open3d.core.Tensor(mesh.faces.astype(np.uint32))
        )
        corners = mesh.vertices[mesh.faces]
        across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        normals.append(across / np.linalg.norm(across, axis=1, keepdims=True))
    found = scene.list_intersections(open3d.core.Tensor(rays), nthreads=1)
    ray, distance, mesh, face = (found[key].numpy() for key in ("ray_ids", "t_hit", "geometry_ids", "primitive_ids"))
    order = np.lexsort((distance, ray))
    ray, distance, mesh, face = (values[order] for values in (ray, distance, mesh, face))
    start = np.cumsum([0, *(len(item) for item in normals)])
    return ray.astype(np.int64), distance, mesh, np.concatenate(normals)[start[mesh] + face]


def test_there_are_at_least_fifty_kinds_of_things() -> None:
    assert len({make(name, 0).label for name in MAKERS}) >= 50

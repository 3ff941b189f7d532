"""Colour, depth and instance maps of a scene by ray casting on the CPU: no OpenGL, no display, no GPU.

Rays are cast by Open3D's `RaycastingScene` (Embree); everything else is numpy. Frames depend only on the scene,
the cameras and the frame size: the same bytes come out for any number of threads or processes.

Forked workers (`datasets.map(num_proc=N)`, `multiprocess`) are safe: a child can cast rays with a Renderer that
its parent built and used, and can build its own. A Renderer can't be pickled: give spawned workers the scene.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ocr_hf.geometry.camera import check_intrinsics, check_poses
from ocr_hf.scenes.lamps import lamps_of
from ocr_hf.scenes.ray_caster import RayCaster
from ocr_hf.scenes.refine import refine
from ocr_hf.scenes.scene import Clip, Scene
from ocr_hf.scenes.shading import bake
from ocr_hf.scenes.surfaces import Surfaces, gather_surfaces
from ocr_hf.scenes.textures import TextureAtlas

CHUNK = 8192
"""Pixels shaded at a time: their working set stays in the processor's cache."""


@dataclass(frozen=True, eq=False)
class Rendered:
    """Frames and what is known of each pixel.

    frames : (T, H, W, 3) uint8 sRGB
    depth : (T, H, W) float32, metres along the camera's z axis, 0 = none
    instances : (T, H, W) uint16, 0 = background, else object id
    """

    frames: np.ndarray
    depth: np.ndarray
    instances: np.ndarray


class Renderer:
    """Renders one scene; building it bakes the light (a few seconds for a furnished flat).

    scene : what to show; surfaces are two-sided
    threads : processor threads for casting; 1 is best where several processes render
    Raises ValueError if the scene has nothing to render or a mesh is malformed.
    """

    def __init__(self, scene: Scene, threads: int = 1) -> None:
        surfaces = gather_surfaces(scene)
        lamps = lamps_of(scene, surfaces.origin)
        surfaces = refine(surfaces, RayCaster(surfaces.vertices, surfaces.faces, threads), lamps)
        self._origin = surfaces.origin
        self._atlas = TextureAtlas(surfaces.texture)
        self._caster = RayCaster(surfaces.vertices, surfaces.faces, threads)
        self._texture = self._atlas.index[surfaces.part]
        self._instance = np.append(surfaces.instance[surfaces.part], np.uint16(0))
        self._corners = _corner_table(surfaces, bake(surfaces, self._atlas, self._caster, lamps), self._atlas)

    def render(
        self, camera_to_world: np.ndarray, intrinsics: np.ndarray, width: int, height: int
    ) -> Rendered:
        """Render one frame per pose.

        camera_to_world : (T, 4, 4) float64, OpenCV axes; intrinsics : (3, 3) pixels of a width x height frame
        Raises ValueError for poses or intrinsics that are not usable and for an empty frame size.
        """
        poses = check_poses(camera_to_world)
        rendered = Rendered(
            frames=np.empty((len(poses), height, width, 3), dtype=np.uint8),
            depth=np.empty((len(poses), height, width), dtype=np.float32),
            instances=np.empty((len(poses), height, width), dtype=np.uint16),
        )
        for i, (frame, depth, instances) in enumerate(self.stream(poses, intrinsics, width, height)):
            rendered.frames[i], rendered.depth[i], rendered.instances[i] = frame, depth, instances
        return rendered

    def stream(
        self, camera_to_world: np.ndarray, intrinsics: np.ndarray, width: int, height: int
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Yield (frame (H, W, 3) uint8, depth (H, W) float32, instances (H, W) uint16) pose by pose, as `render`."""
        if width < 1 or height < 1:
            raise ValueError(f"frame size is {width} x {height}; give at least 1 x 1 pixels")
        poses, intrinsics = check_poses(camera_to_world), check_intrinsics(intrinsics)
        inverse = np.linalg.inv(intrinsics)
        # With these directions, whose z along the camera axis is 1, the hit distance is the depth.
        columns = inverse[:, :1] * (np.arange(width) + 0.5)
        rows = inverse[:, 1:2] * (np.arange(height) + 0.5) + inverse[:, 2:]
        pixel = 0.5 * (inverse[0, 0] + inverse[1, 1])
        rays = np.empty((height, width, 6), dtype=np.float32)
        for pose in poses:
            rays[..., :3] = pose[:3, 3] - self._origin
            rays[..., 3:] = (pose[:3, :3] @ columns).T[None, :, :] + (pose[:3, :3] @ rows).T[:, None, :]
            frame, depth, instances = self._shade(rays.reshape(-1, 6), pixel)
            yield (
                frame.reshape(height, width, 3),
                depth.reshape(height, width),
                instances.reshape(height, width),
            )

    def _shade(self, rays: np.ndarray, pixel: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Cast `rays` (N, 6) whose pixels span `pixel` metres at depth 1; return colour, depth, instance per ray."""
        hits = self._caster.cast(rays)
        primitive = np.minimum(hits.face, np.uint32(len(self._texture)))
        colors = np.empty((len(rays), 3), dtype=np.uint8)
        for start in range(0, len(rays), CHUNK):
            part = slice(start, start + CHUNK)
            colors[part] = self._colors(
                rays[part, 3:], hits.distance[part], primitive[part], hits.barycentric[part], hits.normal[part], pixel
            )
        depth = np.where(primitive == len(self._texture), np.float32(0.0), hits.distance)
        return colors, depth, np.take(self._instance, primitive)

    def _colors(
        self,
        direction: np.ndarray,
        depth: np.ndarray,
        primitive: np.ndarray,
        barycentric: np.ndarray,
        normal: np.ndarray,
        pixel: float,
    ) -> np.ndarray:
        """Return (N, 3) uint8 colours of the points where rays hit; of the sky where they hit nothing."""
        count = len(self._texture)
        missed = primitive == count
        primitive = np.where(missed, np.uint32(0), primitive).astype(np.int64)
        direction = np.ascontiguousarray(direction.T)
        normal = np.ascontiguousarray(normal.T)
        facing = direction[0] * normal[0] + direction[1] * normal[1] + direction[2] * normal[2]
        square = direction[0] * direction[0] + direction[1] * direction[1] + direction[2] * direction[2]
        row = np.take(self._corners, primitive + count * (facing > 0.0), axis=0).T.copy()
        first, second = np.ascontiguousarray(barycentric.T)
        values = row[0:5] + row[5:10] * first + row[10:15] * second
        # A pixel's footprint grows with distance and with slant; along the slant it is stretched one way only.
        span = np.where(missed, np.float32(1.0), depth)
        span *= np.float32(pixel)
        span *= span
        with np.errstate(divide="ignore"):
            scale = np.float32(0.5) * np.log2(
                span * square * np.sqrt(square) / np.maximum(np.abs(facing), np.float32(1e-6))
            )
        scale += row[15]
        colors = self._atlas.sample(np.take(self._texture, primitive), values[3:5], scale)
        colors *= values[:3]
        if missed.any():
            colors[:, missed] = _sky(direction[:, missed], square[missed])
        np.minimum(colors, np.float32(255.0), out=colors)
        colors += np.float32(0.5)
        return colors.astype(np.uint8).T


def render_clip(
    scene: Scene,
    clip_id: str,
    camera_to_world: np.ndarray,
    intrinsics: np.ndarray,
    width: int,
    height: int,
    fps: float,
    renderer: Renderer | None = None,
) -> Clip:
    """Return a clip of `scene` seen from `camera_to_world` (T, 4, 4); give `renderer` to share the baked light."""
    rendered = (renderer or Renderer(scene)).render(camera_to_world, intrinsics, width, height)
    return Clip(
        id=clip_id,
        scene=scene,
        frames=rendered.frames,
        camera_to_world=camera_to_world,
        intrinsics=intrinsics,
        fps=fps,
        depth=rendered.depth,
        instances=rendered.instances,
    )


def _corner_table(surfaces: Surfaces, gain: np.ndarray, atlas: TextureAtlas) -> np.ndarray:
    """Return the (2 F, 16) float32 table of what shading reads of a triangle's front (first F rows) or back.

    A row is one cache line: r g b u v at the first corner, their change to the second, to the third corner, and
    log2 of texels per metre.
    """
    vertices, uv, color = surfaces.corners(), surfaces.uv, surfaces.color
    count = len(surfaces.faces)
    table = np.empty((2, count, 16), dtype=np.float32)
    # Whole periods are taken off so that float32 keeps its precision for textures that repeat many times.
    uv = uv - np.floor(uv[:, :1])
    value = np.empty((count, 3, 5), dtype=np.float32)
    for side in range(2):
        value[..., :3] = gain[side] * color
        value[..., 3:] = uv
        table[side, :, 0:5] = value[:, 0]
        table[side, :, 5:10] = value[:, 1] - value[:, 0]
        table[side, :, 10:15] = value[:, 2] - value[:, 0]
    edge_a, edge_b = vertices[:, 1] - vertices[:, 0], vertices[:, 2] - vertices[:, 0]
    area = np.linalg.norm(np.cross(edge_a, edge_b), axis=1)
    texels = (uv[:, 1:] - uv[:, :1]) * atlas.size(atlas.index[surfaces.part])[:, None, :]
    texel_area = np.abs(texels[:, 0, 0] * texels[:, 1, 1] - texels[:, 0, 1] * texels[:, 1, 0])
    table[..., 15] = 0.5 * np.log2(np.maximum(texel_area, 1e-12) / np.maximum(area, 1e-12))
    return table.reshape(2 * count, 16)


def _sky(direction: np.ndarray, square: np.ndarray) -> np.ndarray:
    """Return (3, N) colours in [0, 255] of a bright overcast sky: pale above the horizon, bluer towards the zenith."""
    height = direction[2] / np.sqrt(square)
    up = np.clip(height, 0.0, 1.0)
    return np.stack([232.0 - 62.0 * up, 238.0 - 42.0 * up, 244.0 - 10.0 * up]).astype(np.float32)

"""Colour, depth and instance maps of a scene by ray casting on the CPU: no OpenGL, no display, no GPU.

Rays are cast by Open3D's `RaycastingScene` (Embree); everything else is numpy. Frames depend only on the scene,
the cameras and the frame size: the same bytes come out for any number of threads or processes.

Forked workers (`datasets.map(num_proc=N)`, `multiprocess`) are safe: a child can cast rays with a Renderer that
its parent built and used, and can build its own. A Renderer can't be pickled: give spawned workers the scene.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ocr_hf.geometry.camera import check_intrinsics, check_poses
from ocr_hf.scenes.edits.changed_objects import changed_objects, same_structure
from ocr_hf.scenes.render.corner_table import corner_table
from ocr_hf.scenes.render.edges import edges_of, grown, rows_around
from ocr_hf.scenes.render.edit_reach import Lit
from ocr_hf.scenes.render.edited_caster import DetailedCaster, EditedCaster
from ocr_hf.scenes.render.lamps import lamps_of
from ocr_hf.scenes.render.pixel_rays import PixelRays
from ocr_hf.scenes.render.ray_caster import Hits, RayCaster
from ocr_hf.scenes.render.refine import refine
from ocr_hf.scenes.render.relight import relight
from ocr_hf.scenes.render.shading import bake
from ocr_hf.scenes.render.surfaces import Surfaces, gather_surfaces
from ocr_hf.scenes.render.textures import TextureAtlas
from ocr_hf.scenes.scene import Clip, Scene, SceneObject

CHUNK = 16384
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


@dataclass(frozen=True, eq=False)
class Before:
    """A frame as it was before an edit: (H, W, 3) uint8, and (H, W) bool, which pixels have smoothed edges."""

    frame: np.ndarray
    smoothed: np.ndarray


class Renderer:
    """Renders one scene; building it bakes the light (a few seconds for a furnished flat).

    Args:
        scene: what to show; surfaces are two-sided.
        threads: processor threads for casting; 1 is best where several processes render.
        edge_samples: rays through each pixel on an edge, against jagged outlines; 1 for none. Depth and instances
            always belong to the pixel's centre.
        light_rays: directions in which light is gathered at each corner; fewer bake faster and look rougher. 0 leaves
            everything black, for whoever needs depth and instances only.

    Raises:
        ValueError: the scene has nothing to render, or a mesh is malformed.
    """

    def __init__(self, scene: Scene, threads: int = 1, edge_samples: int = 4, light_rays: int = 32) -> None:
        self._open(scene, threads, edge_samples, light_rays)

    def _open(
        self,
        scene: Scene,
        threads: int,
        edge_samples: int,
        light_rays: int,
        origin: np.ndarray | None = None,
        typical: float | None = None,
    ) -> None:
        """Gather and light a scene; `origin` and `typical` light are another renderer's, None: this scene's own."""
        self._scene, self._threads, self._edge_samples, self._light_rays = scene, threads, edge_samples, light_rays
        self._base, self._lit_anew, self._edit = self, False, None
        surfaces = gather_surfaces(scene, origin)
        lamps = lamps_of(scene, surfaces.origin)
        if light_rays > 0:
            # Two casters: refinement cuts triangles, so face numbers change; cutting moves no surface, so the first
            # one's answers hold for it.
            surfaces = refine(surfaces, RayCaster(surfaces.vertices, surfaces.faces, threads), lamps)
        atlas, caster = TextureAtlas(surfaces.texture), RayCaster(surfaces.vertices, surfaces.faces, threads)
        if light_rays > 0:
            baked = bake(surfaces, atlas, caster, lamps, light_rays, typical)
            gain = baked.gain
            self._lit = Lit(surfaces, atlas, caster, lamps, baked, light_rays, threads)
        else:
            gain, self._lit = np.zeros((2, len(surfaces.faces), 3, 3), dtype=np.float32), None
        self._show(surfaces, atlas, caster, surfaces.part, corner_table(surfaces, gain, atlas))

    def _show(
        self,
        surfaces: Surfaces,
        atlas: TextureAtlas,
        caster: RayCaster | EditedCaster | DetailedCaster,
        part: np.ndarray,
        corners: np.ndarray,
    ) -> None:
        """Take in what frames are made from: the triangles' parts (F,), which `surfaces` names, and `corner_table`."""
        self._origin, self._atlas, self._caster = surfaces.origin, atlas, caster
        self._texture = atlas.index[part]
        self._part = np.append(part, np.int32(-1))
        self._instance = np.append(surfaces.instance, np.uint16(0))
        self._corners = corners

    @property
    def base(self) -> Renderer:
        """The renderer whose light and exposure this one keeps: itself, unless `edited` made it."""
        return self._base

    @property
    def lit_anew(self) -> bool:
        """Whether `edited` had to light everything anew, so that any pixel can differ from `base`."""
        return self._lit_anew

    def edited(self, scene: Scene) -> Renderer:
        """Return a renderer of an edited version of this one's scene, with the light kept where the edit doesn't reach.

        What shows neither a changed object nor a place whose light it changes has the same bytes as before: see
        `relight` for how far that is. The exposure stays, too. Everything is lit anew (`lit_anew`) where the structure
        or a light has changed, and where this renderer has no light.

        Args:
            scene: the edited scene; objects are compared by their ids. Of edits of edits, always the last one: what
                counts is how it differs from the scene of `base`.

        Returns:
            `base` itself where nothing differs.

        Raises:
            ValueError: the scene has nothing to render, or a mesh is malformed.
        """
        base = self._base
        changed = set(changed_objects(base._scene, scene))
        same_lights = same_structure(base._scene, scene)
        if same_lights and not changed:
            return base
        before, after = (
            tuple(item for item in each.objects if item.id in changed and item.meshes) for each in (base._scene, scene)
        )
        renderer = object.__new__(Renderer)
        if same_lights and base._lit is not None:
            renderer._open_edited(base, scene, before, after)
            return renderer
        typical = None if base._lit is None else base._lit.baked.typical
        renderer._open(scene, base._threads, base._edge_samples, base._light_rays, base._origin, typical)
        renderer._base, renderer._lit_anew = base, True
        return renderer

    def _open_edited(
        self, base: Renderer, scene: Scene, before: tuple[SceneObject, ...], after: tuple[SceneObject, ...]
    ) -> None:
        """Light a scene in which the objects `before` became those `after`."""
        self._scene, self._threads, self._edge_samples = scene, base._threads, base._edge_samples
        self._light_rays, self._base, self._lit_anew, self._lit = base._light_rays, base, False, None
        lit = base._lit
        surfaces, atlas, new = lit.surfaces, lit.atlas, None
        if after:
            new = gather_surfaces(Scene(scene.name, scene.source, after), surfaces.origin).following(surfaces)
            atlas = atlas.extended(new.texture[len(surfaces.texture) :])
        gone = np.isin(surfaces.instance, [item.id for item in before])[surfaces.part]
        edit = relight(lit, atlas, gone, new, [item.box for item in before], [item.box for item in after])
        table = base._corners.reshape(2, -1, 16).copy()
        table[:, edit.faces] = corner_table(surfaces.chosen(edit.faces), edit.gain, atlas).reshape(2, -1, 16)
        tables, parts, caster = [table], [surfaces.part], edit.caster
        if edit.new is not None:
            tables.append(corner_table(edit.new, edit.new_gain, atlas).reshape(2, -1, 16))
            parts.append(edit.new.part)
        if edit.pieces is not None:
            tables.append(corner_table(edit.pieces, edit.piece_gain, atlas).reshape(2, -1, 16))
            parts.append(edit.pieces.part)
            caster = DetailedCaster(
                caster, edit.pieces, edit.parent, sum(len(part) for part in parts[:-1]), base._threads
            )
        part = np.concatenate(parts)
        self._edit = edit
        # Triangles that look as they did: kept, and lit as before. The last entry stands for the sky.
        self._kept = np.zeros(len(part) + 1, dtype=bool)
        self._kept[: len(edit.gone)] = True
        self._kept[edit.faces] = False
        self._kept[-1] = True
        self._show(edit.new or surfaces, atlas, caster, part, np.concatenate(tables, axis=1).reshape(-1, 16))

    def render(
        self, camera_to_world: np.ndarray, intrinsics: np.ndarray, width: int, height: int, exposure: float = 1.0
    ) -> Rendered:
        """Render one frame per pose.

        Args:
            camera_to_world: (T, 4, 4) float64, OpenCV axes, metres.
            intrinsics: (3, 3), pixels of a width x height frame.
            width: of a frame, pixels.
            height: of a frame, pixels.
            exposure: how much more light the camera takes in than it should; 0.5 is dark, 2 overexposed.

        Returns:
            Frames (T, H, W, 3) uint8, depth (T, H, W) float32 in metres, instances (T, H, W) uint16.

        Raises:
            ValueError: poses or intrinsics are not usable, or the frame size is empty.
        """
        poses = check_poses(camera_to_world)
        rendered = Rendered(
            frames=np.empty((len(poses), height, width, 3), dtype=np.uint8),
            depth=np.empty((len(poses), height, width), dtype=np.float32),
            instances=np.empty((len(poses), height, width), dtype=np.uint16),
        )
        for i, (frame, depth, instances) in enumerate(self.stream(poses, intrinsics, width, height, exposure)):
            rendered.frames[i], rendered.depth[i], rendered.instances[i] = frame, depth, instances
        return rendered

    def stream(
        self, camera_to_world: np.ndarray, intrinsics: np.ndarray, width: int, height: int, exposure: float = 1.0
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Render as `render` does, pose by pose, with one frame in memory.

        Args:
            camera_to_world: (T, 4, 4) float64, OpenCV axes, metres.
            intrinsics: (3, 3), pixels of a width x height frame.
            width: of a frame, pixels.
            height: of a frame, pixels.
            exposure: as for `render`.

        Yields:
            (frame (H, W, 3) uint8, depth (H, W) float32 in metres, instances (H, W) uint16).

        Raises:
            ValueError: poses or intrinsics are not usable, the frame size is empty, or the exposure isn't above 0.
        """
        for frame, depth, instances, *_ in self._frames(camera_to_world, intrinsics, width, height, exposure, False):
            yield frame, depth, instances

    def stream_seen(
        self,
        camera_to_world: np.ndarray,
        intrinsics: np.ndarray,
        width: int,
        height: int,
        exposure: float = 1.0,
        before: Sequence[Before] | None = None,
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
        """Render as `stream` does, and tell which triangles each frame shows, for `changed_frames`.

        Args:
            camera_to_world: (T, 4, 4) float64, OpenCV axes, metres.
            intrinsics: (3, 3), pixels of a width x height frame.
            width: of a frame, pixels.
            height: of a frame, pixels.
            exposure: as for `render`.
            before: these frames as `base` renders them: only pixels that show something else are coloured anew. The
                bytes are the same.

        Yields:
            What `stream` yields, (B,) uint8 with a bit for each of this renderer's triangles, and (H, W) bool, the
            pixels whose edges were smoothed.

        Raises:
            ValueError: as `stream`.
        """
        yield from self._frames(camera_to_world, intrinsics, width, height, exposure, True, before)

    def changed_frames(
        self, seen: np.ndarray, camera_to_world: np.ndarray, intrinsics: np.ndarray, width: int, height: int
    ) -> np.ndarray:
        """Find the frames that this renderer can show otherwise than `base` does: all others have the same bytes.

        Args:
            seen: (T, B) uint8, what `base.stream_seen` told of the frames.
            camera_to_world: (T, 4, 4) float64, OpenCV axes, metres, of these frames.
            intrinsics: (3, 3), pixels of a width x height frame.
            width: of a frame, pixels.
            height: of a frame, pixels.

        Returns:
            (T,) bool. True where a frame shows something that is gone, new or lit anew.

        Raises:
            ValueError: `seen` is not of `base` or not of these frames, or the camera is not usable.
        """
        poses, base = check_poses(camera_to_world), self._base
        expected = (len(poses), (len(base._texture) + 7) // 8)
        if np.shape(seen) != expected:
            raise ValueError(f"seen has shape {np.shape(seen)}, not {expected}; record these frames with the base")
        if self is base or self._lit_anew:
            return np.full(len(poses), self._lit_anew)
        edit = self._edit
        differs = edit.gone.copy()
        differs[edit.faces] = True
        changed = (seen & np.packbits(differs)).any(axis=1)
        if edit.new is not None:
            camera = PixelRays(check_intrinsics(intrinsics), width, height, 1.0)
            for frame in np.flatnonzero(~changed):
                rays = self._rays_at_new(camera, poses[frame])
                changed[frame] = edit.caster.meets_new(rays)
        return changed

    def _rays_at_new(self, camera: PixelRays, pose: np.ndarray) -> np.ndarray:
        """Return all rays (N, 6) that a frame can cast at what is new, those against jagged edges too."""
        origin = pose[:3, 3] - self._origin
        vertices = self._edit.new.vertices
        rows, columns = camera.around(vertices.min(axis=0) - origin, vertices.max(axis=0) - origin, pose[:3, :3])
        rays = camera.rays(pose[:3, :3], origin).reshape(camera.height, camera.width, 6)[rows, columns].reshape(-1, 6)
        if self._edge_samples == 1 or not len(rays):
            return rays
        rows, columns = (grid.reshape(-1) for grid in np.mgrid[rows, columns])
        more = camera.rays_within(pose[:3, :3], origin, rows, columns, self._edge_samples - 1)
        return np.concatenate([rays, more])

    def _frames(
        self,
        camera_to_world: np.ndarray,
        intrinsics: np.ndarray,
        width: int,
        height: int,
        exposure: float,
        with_seen: bool,
        before: Sequence[Before] | None = None,
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
        if width < 1 or height < 1:
            raise ValueError(f"frame size is {width} x {height}; give at least 1 x 1 pixels")
        if not 0.0 < exposure < float("inf"):
            raise ValueError(f"exposure is {exposure}; give a factor above 0, 1 for a well exposed picture")
        camera = PixelRays(check_intrinsics(intrinsics), width, height, exposure)
        for index, pose in enumerate(check_poses(camera_to_world)):
            seen = np.zeros(len(self._part) if with_seen else 0, dtype=bool)
            known = None if before is None or self._edit is None else before[index]
            frame, depth, instances, smoothed = self._frame(camera, pose, seen, known)
            # The last entry stands for the sky.
            yield frame, depth, instances, np.packbits(seen[:-1]), smoothed

    def _frame(
        self, camera: PixelRays, pose: np.ndarray, seen: np.ndarray, before: Before | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return colour (H, W, 3) uint8, depth (H, W) float32, instances (H, W) uint16 and smoothed (H, W) bool.

        seen : (F + 1,) bool, set True for the triangles that are met, or empty where nobody asks
        before : the frame as `base` renders it, or None; only pixels that differ are then coloured
        """
        origin, shape = pose[:3, 3] - self._origin, (camera.height, camera.width)
        rays = camera.rays(pose[:3, :3], origin)
        smoothed, beside = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
        if before is None:
            hits = self._caster.cast(rays)
            frame = self._shaded(rays, hits, camera).reshape(*shape, 3)
        else:
            hits, through = self._caster.cast_through(rays)
            # A pixel's colour hangs on its own surface, its smoothing on the four beside it, theirs on their colour.
            beside = grown(self._touched(hits, through).reshape(shape))
            frame, again = before.frame.copy(), np.flatnonzero(grown(beside))
            frame.reshape(-1, 3)[again] = self._shaded(rays[again], hits.at(again), camera)
        # A miss has face 2**32 - 1; the appended entry of `_part` and, through part = -1, the last of `_instance` stand
        # for it.
        face = np.minimum(hits.face, np.uint32(len(self._texture)))
        part = np.take(self._part, face)
        if len(seen):
            seen[face] = True
        depth = np.where(part < 0, np.float32(0.0), hits.distance).reshape(shape)
        if self._edge_samples > 1:
            # Adaptive antialiasing: supersampling all pixels would cost as many times more, and edges are a few per
            # cent.
            planes = (frame, depth, part.reshape(shape), hits.normal.reshape(*shape, 3))
            if before is None:
                smoothed = edges_of(*planes)
            else:
                # Elsewhere nothing is changed beside a pixel: it is an edge if it was one.
                smoothed, window = before.smoothed & ~beside, rows_around(beside)
                smoothed[window] |= edges_of(*(plane[window] for plane in planes)) & beside[window]
                frame = np.where(beside[..., None], frame, before.frame)
            rows, columns = np.nonzero(smoothed)
            if len(rows):
                more = camera.rays_within(pose[:3, :3], origin, rows, columns, self._edge_samples - 1)
                if before is None:
                    met = self._caster.cast(more)
                else:
                    rows, columns, more, met = self._smoothed_anew(rows, columns, more, beside)
                    plain = np.flatnonzero(~beside[rows, columns])
                    pixels = rows[plain] * camera.width + columns[plain]
                    frame[rows[plain], columns[plain]] = self._shaded(rays[pixels], hits.at(pixels), camera)
                if len(seen):
                    seen[np.minimum(met.face, np.uint32(len(self._texture)))] = True
                colors = self._shaded(more, met, camera).reshape(self._edge_samples - 1, len(rows), 3)
                colors = np.concatenate([frame[rows, columns][None], colors])
                # Light adds up, sRGB values don't: their squares are near enough.
                squares = np.square(colors, dtype=np.float32).mean(axis=0)
                frame[rows, columns] = np.sqrt(squares) + np.float32(0.5)
        return frame, depth, np.take(self._instance, part).reshape(shape), smoothed

    def _smoothed_anew(
        self, rows: np.ndarray, columns: np.ndarray, rays: np.ndarray, beside: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, Hits]:
        """Return which edge pixels (n,) change, with their rays and what these meet.

        rows, columns : of the edge pixels; rays : (samples n, 6) through them
        beside : (H, W), pixels that change in any case
        """
        hits, through = self._caster.cast_through(rays)
        met = self._touched(hits, through).reshape(-1, len(rows)).any(axis=0)
        chosen = np.flatnonzero(met | beside[rows, columns])
        index = (np.arange(len(rays) // len(rows))[:, None] * len(rows) + chosen).reshape(-1)
        return rows[chosen], columns[chosen], rays[index], hits.at(index)

    def _touched(self, hits: Hits, through: np.ndarray) -> np.ndarray:
        """Return which rays (N,) meet something that is new or lit anew, or met something that is gone."""
        touched = ~self._kept[np.minimum(hits.face, np.uint32(len(self._texture)))]
        touched[through] = True
        return touched

    def _shaded(self, rays: np.ndarray, hits: Hits, camera: PixelRays) -> np.ndarray:
        """Return colours (N, 3) uint8 of what a camera's rays (N, 6) hit."""
        colors = np.empty((len(rays), 3), dtype=np.uint8)
        for start in range(0, len(rays), CHUNK):
            part = slice(start, start + CHUNK)
            colors[part] = self._colors(
                rays[part, 3:], hits.distance[part], hits.face[part], hits.barycentric[part], hits.normal[part], camera
            )
        return colors

    def _colors(
        self,
        direction: np.ndarray,
        depth: np.ndarray,
        primitive: np.ndarray,
        barycentric: np.ndarray,
        normal: np.ndarray,
        camera: PixelRays,
    ) -> np.ndarray:
        """Return (N, 3) uint8 colours of the points where rays hit; of the sky where they hit nothing."""
        count = len(self._texture)
        missed = primitive >= count
        primitive = np.where(missed, np.uint32(0), primitive).astype(np.int64)
        direction = np.ascontiguousarray(direction.T)
        normal = np.ascontiguousarray(normal.T)
        facing = direction[0] * normal[0] + direction[1] * normal[1] + direction[2] * normal[2]
        square = direction[0] * direction[0] + direction[1] * direction[1] + direction[2] * direction[2]
        # facing > 0: the ray runs along the normal, so it sees the back, whose rows come second.
        row = np.take(self._corners, primitive + count * (facing > 0.0), axis=0).T.copy()
        first, second = np.ascontiguousarray(barycentric.T)
        values = row[0:5] + row[5:10] * first + row[10:15] * second
        # A pixel's footprint grows with distance and with slant; along the slant it is stretched one way only.
        span = np.where(missed, np.float32(1.0), depth)
        span *= np.float32(camera.pixel)
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
        colors *= camera.gain
        np.minimum(colors, np.float32(255.0), out=colors)
        # The cast truncates; adding a half first rounds.
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
    exposure: float = 1.0,
) -> Clip:
    """Film a scene.

    Args:
        scene: what to show.
        clip_id: id of the clip, usable as a file name.
        camera_to_world: (T, 4, 4) float64, OpenCV axes, metres.
        intrinsics: (3, 3), pixels of a width x height frame.
        width: of a frame, pixels.
        height: of a frame, pixels.
        fps: frames per second of clip time.
        renderer: of this scene, to share the light that it has baked; None builds one.
        exposure: as for `Renderer.render`.

    Returns:
        The clip, with depth and instances.

    Raises:
        ValueError: the scene can't be rendered, or camera or frame size are not usable.
    """
    rendered = (renderer or Renderer(scene)).render(camera_to_world, intrinsics, width, height, exposure)
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


def _sky(direction: np.ndarray, square: np.ndarray) -> np.ndarray:
    """Return (3, N) colours in [0, 255] of a bright overcast sky: pale above the horizon, bluer towards the zenith."""
    height = direction[2] / np.sqrt(square)
    up = np.clip(height, 0.0, 1.0)
    return np.stack([232.0 - 62.0 * up, 238.0 - 42.0 * up, 244.0 - 10.0 * up]).astype(np.float32)

"""A furnished room as solved cameras know it, without solving: points on its surfaces and where pictures show them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import av
import numpy as np

from ocr_hf.geometry.boxes import OrientedBox
from ocr_hf.geometry.camera import look_at, project, transform
from ocr_hf.scenes.filmed.structure_from_motion import SolvedCameras

WIDTH, HEIGHT, FOCAL = 640, 480, 500.0
CAMERA = np.array([[FOCAL, 0.0, WIDTH / 2], [0.0, FOCAL, HEIGHT / 2], [0.0, 0.0, 1.0]])
LOW, HIGH = np.array([-2.5, -2.0, 0.0]), np.array([2.5, 2.0, 2.6])
"""Of the room, metres."""
BOXES = {
    "table": OrientedBox.axis_aligned(np.array([-0.6, -0.4, 0.0]), np.array([0.6, 0.4, 0.75])),
    "cabinet": OrientedBox.axis_aligned(np.array([1.5, 1.2, 0.0]), np.array([2.4, 1.9, 1.1])),
    "chair": OrientedBox.axis_aligned(np.array([-1.9, 0.5, 0.0]), np.array([-1.4, 1.0, 0.9])),
}


def solved_room(pictures: int = 24, seed: int = 0, around: float = 1.8) -> SolvedCameras:
    """Return cameras that walk around the table, level and a little downwards, in metres, +Z up, floor at 0.

    around : how far, half turns
    """
    rng = np.random.default_rng(seed)
    points = [surface(OrientedBox.axis_aligned(LOW, HIGH), 1500, rng)]
    points += [surface(box, 150, rng) for box in BOXES.values()]
    points = np.concatenate(points)
    angles = np.linspace(0.0, around * np.pi, pictures)
    poses = np.stack(
        [
            look_at(
                np.array([1.9 * np.cos(a), 1.5 * np.sin(a), 1.5 + 0.1 * np.sin(3 * a)]),
                np.array([-0.9 * np.cos(a + 0.5), -0.9 * np.sin(a + 0.5), 0.5]),
            )
            for a in angles
        ]
    )
    seen = []
    for pose in poses:
        pixels, _ = project(points, CAMERA, pose)
        inside = (pixels > 0).all(axis=1) & (pixels < [WIDTH, HEIGHT]).all(axis=1)
        seen.append(np.flatnonzero(inside))
    names = tuple(f"{15 * number:06d}.png" for number in range(pictures))
    return SolvedCameras(
        names, 15 * np.arange(pictures), 0.5 * np.arange(pictures), poses, CAMERA, 0.0, WIDTH, HEIGHT, points,
        tuple(seen), pictures, 0.4,
    )  # fmt: skip


def surface(box: OrientedBox, count: int, rng: np.random.Generator) -> np.ndarray:
    """Return points (count, 3) on a box's faces, without the one above."""
    points = rng.uniform(-0.5, 0.5, (count, 3))
    side = rng.integers(0, 5, count)
    points[np.arange(count), side % 3] = np.where(side < 3, -0.5, 0.5)
    return box.center + points * box.size


def turned(solved: SolvedCameras, motion: np.ndarray, scale: float) -> SolvedCameras:
    """Return the same cameras in another world, moved and scaled, as COLMAP leaves it."""
    poses = motion @ solved.camera_to_world
    poses[:, :3, 3] *= scale
    return replace(solved, camera_to_world=poses, points=transform(motion, solved.points) * scale)


def clicks(solved: SolvedCameras, point: np.ndarray, pictures: tuple[int, ...], off: float = 0.0) -> list[list]:
    """Return where pictures show a point, as marks.json has it, `off` pixels to the side."""
    found = []
    for index in pictures:
        (x, y), depth = project(point, solved.intrinsics, solved.camera_to_world[index])
        assert depth > 0.1
        found.append([solved.names[index], float(x) + off, float(y)])
    return found


def picture_of(pose: np.ndarray, seed: int = 0, width: int = 480, height: int = 360) -> np.ndarray:
    """Return (H, W, 3) uint8: the room and its boxes, papered with blots of every size, as a camera at `pose` sees it.

    The focal length is FOCAL for WIDTH, as of `CAMERA`.
    """
    v, u = np.mgrid[0:height, 0:width] + 0.5
    scale = width / WIDTH
    rays = np.stack([(u - width / 2) / (FOCAL * scale), (v - height / 2) / (FOCAL * scale), np.ones_like(u)], axis=-1)
    rays = rays.reshape(-1, 3) @ pose[:3, :3].T
    eye = pose[:3, 3]
    with np.errstate(divide="ignore", invalid="ignore"):
        far = np.where(rays > 0, (HIGH - eye) / rays, (LOW - eye) / rays)
        depth, axis = far.min(axis=1), far.argmin(axis=1)
        side = np.where(rays[np.arange(len(rays)), axis] > 0, 3, 0) + axis
        for number, box in enumerate(BOXES.values(), start=1):
            low, high = box.center - box.size / 2.0, box.center + box.size / 2.0
            near = np.where(rays > 0, (low - eye) / rays, (high - eye) / rays)
            leave = np.where(rays > 0, (high - eye) / rays, (low - eye) / rays).min(axis=1)
            enter, at = near.max(axis=1), near.argmax(axis=1)
            hit = (enter > 0.0) & (enter < leave) & (enter < depth)
            depth, axis, side = (
                np.where(hit, enter, depth),
                np.where(hit, at, axis),
                np.where(hit, 6 * number + at, side),
            )
    points = eye + rays * depth[:, None]
    shade = np.zeros(len(points))
    for face in np.unique(side):
        on = side == face
        flat = np.delete(points[on], axis[on][0], axis=1) + 5.0
        for cell in (0.05, 0.15, 0.4):
            # Of this face alone: a picture needn't show all of them
            rng = np.random.default_rng([seed, face, int(100 * cell)])
            blots = rng.random((int(12 / cell), int(12 / cell)))
            x, y = (flat / cell).T
            i, j = x.astype(int), y.astype(int)
            p, q = x - i, y - j
            top, bottom = (
                blots[i, j] * (1 - p) + blots[i + 1, j] * p,
                blots[i, j + 1] * (1 - p) + blots[i + 1, j + 1] * p,
            )
            shade[on] += (top * (1 - q) + bottom * q) / 3.0
    grey = np.clip(255 * (1.6 * shade - 0.3), 0, 255).astype(np.uint8).reshape(height, width)
    return np.repeat(grey[..., None], 3, axis=2)


def write_video(path: Path, frames: Iterable[np.ndarray], fps: int) -> Path:
    """Write frames as a video that hardly loses anything."""
    with av.open(str(path), "w") as container:
        stream = None
        for frame in frames:
            if stream is None:
                stream = container.add_stream("libx264", rate=fps, options={"crf": "12"})
                stream.width, stream.height, stream.pix_fmt = frame.shape[1], frame.shape[0], "yuv420p"
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    return path

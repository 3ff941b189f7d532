"""A furnished room in ScanNet's layout: mesh, segments, aggregation, alignment, instance maps, frames in both forms."""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import trimesh
from PIL import Image

from ocr_hf.data.build_config import BuildConfig
from ocr_hf.data.build_plan import plan_scenes
from ocr_hf.data.clip_cameras import camera_path
from ocr_hf.geometry.camera import transform
from ocr_hf.scenes.homes.procedural import procedural_scene
from ocr_hf.scenes.render.renderer import Renderer
from ocr_hf.scenes.scene import Scene

FRAMES, COLOR, DEPTH = 6, (162, 121), (80, 60)
"""ScanNet's 1296x968 and 640x480, an eighth; their shapes differ by 0.4 % there as well."""
COLOR_CAMERA = np.array([[81.0, 0.0, 81.4], [0.0, 82.0, 60.2], [0.0, 0.0, 1.0]])
DEPTH_CAMERA = np.array([[39.5, 0.0, 41.0], [0.0, 39.4, 31.0], [0.0, 0.0, 1.0]])
"""With the first pixel's centre at 0.5; files have it at 0. The depth camera sees a little more on all sides."""
LOST = 2
SCAN = "scene0004_00"
"""VSI-Bench tests on no scan of this room."""
ALIGNMENT = np.array(
    [[0.945519, 0.325568, 0.0, -1.25], [-0.325568, 0.945519, 0.0, 2.5], [0.0, 0.0, 1.0, 0.125], [0.0, 0.0, 0.0, 1.0]]
)
"""As files have it, with six decimals."""
STRUCTURE = ("wall", "floor", "ceiling")


@dataclass(frozen=True)
class ScanRoom:
    """The room in the aligned world, and what both cameras saw of it.

    shared : id of an object that has nothing but a segment of `shares_with`
    """

    scene: Scene
    poses: np.ndarray
    jpegs: tuple[bytes, ...]
    depth_mm: np.ndarray
    depth_of_color: np.ndarray
    instances: np.ndarray
    times_us: np.ndarray
    shared: int
    shares_with: int

    @property
    def frames(self) -> np.ndarray:
        return np.stack([np.array(Image.open(io.BytesIO(data))) for data in self.jpegs])

    @property
    def structure_ids(self) -> list[int]:
        return [self.shared + 1 + number for number in range(len(STRUCTURE))]

    def parts(self) -> list[tuple[int, np.ndarray]]:
        """Object id -> its vertices, each in two segments 10 id and 10 id + 1; 0 is the structure."""
        objects = [
            (item.id, np.concatenate([mesh.vertices for mesh in item.meshes]))
            for item in self.scene.objects
            if item.meshes
        ]
        return [*objects, (0, np.concatenate([mesh.vertices for mesh in self.scene.structure]))]

    def faces(self) -> np.ndarray:
        """Return the triangles (F, 3) of all parts, by their vertices' places in `parts`."""
        meshes = [mesh for item in self.scene.objects for mesh in item.meshes] + list(self.scene.structure)
        starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes)])
        return np.concatenate([mesh.faces + start for mesh, start in zip(meshes, starts[:-1], strict=True)])

    def bounds(self) -> dict[int, tuple[np.ndarray, np.ndarray]]:
        """Object id -> (low, high) of its vertices."""
        vertices = {number: points for number, points in self.parts() if number}
        half = vertices[self.shares_with]
        vertices[self.shared] = half[: len(half) // 2]
        return {number: (points.min(axis=0), points.max(axis=0)) for number, points in vertices.items()}


def scan_room() -> ScanRoom:
    config = BuildConfig(rooms=1, scenes=1, frames=FRAMES, seconds=5.0, width=160, height=120, fov=90.0, seed=3)
    (plan,) = plan_scenes(config)
    scene = procedural_scene(plan.seed, rooms=1)
    path = camera_path(config, plan.clips[0], scene)
    poses = path.camera_to_world.astype(np.float64)
    renderer = Renderer(scene, light_rays=4)
    color = renderer.render(poses, COLOR_CAMERA, *COLOR, path.exposure)
    scaled = np.diag([DEPTH[0] / COLOR[0], DEPTH[1] / COLOR[1], 1.0]) @ COLOR_CAMERA
    jpegs = []
    for frame in color.frames:
        buffer = io.BytesIO()
        Image.fromarray(frame).save(buffer, "JPEG", quality=90)
        jpegs.append(buffer.getvalue())
    last = max(item.id for item in scene.objects)
    return ScanRoom(
        scene,
        poses,
        tuple(jpegs),
        np.rint(renderer.render(poses, DEPTH_CAMERA, *DEPTH, path.exposure).depth * 1000).astype(np.uint16),
        renderer.render(poses, scaled, *DEPTH, path.exposure).depth,
        color.instances,
        5_000_000 + np.arange(FRAMES) * 33_333,
        last + 1,
        next(item.id for item in scene.objects if item.meshes),
    )


def write_annotation(room: ScanRoom, folder: Path, name: str = SCAN, aligned: bool = True) -> np.ndarray:
    """Write all but the frames; return the motion (4, 4) from the aligned world to the scan's."""
    folder.mkdir(parents=True, exist_ok=True)
    # Not the transpose: six decimals make it no exact rotation
    to_scan = np.linalg.inv(ALIGNMENT) if aligned else np.eye(4)
    parts = room.parts()
    vertices = np.concatenate([points for _, points in parts])
    segments = np.concatenate([10 * number + (np.arange(len(p)) >= len(p) // 2) for number, p in parts])
    faces = room.faces()
    mesh = trimesh.Trimesh(transform(to_scan, vertices), faces, process=False)
    (folder / f"{name}_vh_clean_2.ply").write_bytes(mesh.export(file_type="ply"))
    scene_id = f"scannet.{name}"
    told = {"params": {}, "sceneId": scene_id, "segIndices": segments.tolist()}
    (folder / f"{name}_vh_clean_2.0.010000.segs.json").write_text(json.dumps(told))
    labels = {item.id: item.label for item in room.scene.objects}
    labels[room.shared] = "couch"
    groups = [(number, labels[number], [10 * number, 10 * number + 1]) for number, _ in parts if number]
    groups.append((room.shared, "couch", [10 * room.shares_with]))
    groups += [(number, label, [0, 1]) for number, label in zip(room.structure_ids, STRUCTURE, strict=True)]
    told = {
        "sceneId": scene_id,
        "appId": "Aggregator.v2",
        "segGroups": [
            {"id": number - 1, "objectId": number - 1, "segments": parts, "label": label}
            for number, label, parts in groups
        ],
    }
    (folder / f"{name}.aggregation.json").write_text(json.dumps(told))
    words = " ".join(f"{value:.6f}" for value in ALIGNMENT.flat)
    lines = [f"axisAlignment = {words} "] if aligned else []
    (folder / f"{name}.txt").write_text("\n".join([*lines, "colorHeight = 121", "sceneType = Bedroom / Hotel", ""]))
    with zipfile.ZipFile(folder / f"{name}_2d-instance-filt.zip", "w") as archive:
        for number, ids in enumerate(room.instances):
            buffer = io.BytesIO()
            # ScanNet's maps show walls as well
            shown = np.where(ids == 0, room.structure_ids[0], ids).astype(np.uint8)
            Image.fromarray(shown).save(buffer, "PNG")
            archive.writestr(f"instance-filt/{number}.png", buffer.getvalue())
    return to_scan


def scan_poses(room: ScanRoom, to_scan: np.ndarray) -> np.ndarray:
    """Return poses (N, 4, 4) in the scan's world, one of them lost."""
    poses = to_scan @ room.poses
    poses[LOST] = -np.inf
    return poses


def matrix4(camera: np.ndarray) -> np.ndarray:
    """Return (4, 4) as files have it, the first pixel's centre at 0."""
    found = np.eye(4)
    found[:3, :3] = camera - [[0.0, 0.0, 0.5], [0.0, 0.0, 0.5], [0.0, 0.0, 0.0]]
    return found


def sens_bytes(room: ScanRoom, poses: np.ndarray, color_way: int = 2, depth_way: int = 1, version: int = 4) -> bytes:
    sensor = b"StructureSensor"
    matrices = (matrix4(COLOR_CAMERA), np.eye(4), matrix4(DEPTH_CAMERA), np.eye(4))
    head = [struct.pack("<IQ", version, len(sensor)), sensor]
    head += [matrix.astype("<f4").tobytes() for matrix in matrices]
    head.append(struct.pack("<2i4IfQ", color_way, depth_way, *COLOR, *DEPTH, 1000.0, len(poses)))
    for pose, jpeg, depth, time in zip(poses, room.jpegs, room.depth_mm, room.times_us, strict=True):
        raw = depth.astype("<u2").tobytes()
        block = zlib.compress(raw) if depth_way == 1 else raw
        color = jpeg if color_way == 2 else np.array(Image.open(io.BytesIO(jpeg))).tobytes()
        head.append(pose.astype("<f4").tobytes() + struct.pack("<4Q", time, time + 7, len(color), len(block)))
        head += [color, block]
    return b"".join([*head, struct.pack("<Q", 1), bytes(128)])


def write_exported(room: ScanRoom, folder: Path, poses: np.ndarray) -> None:
    for kind in ("color", "depth", "pose", "intrinsic"):
        (folder / kind).mkdir(parents=True)
    for number, (pose, jpeg, depth) in enumerate(zip(poses, room.jpegs, room.depth_mm, strict=True)):
        (folder / f"color/{number}.jpg").write_bytes(jpeg)
        Image.fromarray(depth).save(folder / f"depth/{number}.png")
        np.savetxt(folder / f"pose/{number}.txt", pose, fmt="%f")
    for kind, camera in (("color", COLOR_CAMERA), ("depth", DEPTH_CAMERA)):
        np.savetxt(folder / f"intrinsic/intrinsic_{kind}.txt", matrix4(camera), fmt="%f")
        np.savetxt(folder / f"intrinsic/extrinsic_{kind}.txt", np.eye(4), fmt="%f")


def write_scan(room: ScanRoom, folder: Path, name: str = SCAN, aligned: bool = True, exported: bool = False) -> Path:
    """Write a scan's folder; return it."""
    poses = scan_poses(room, write_annotation(room, folder, name, aligned))
    if exported:
        write_exported(room, folder, poses)
    else:
        (folder / f"{name}.sens").write_bytes(sens_bytes(room, poses))
    return folder

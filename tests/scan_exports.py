"""One furnished room as each data set would have it: ScanNet, ScanNet++ and ARKitScenes, in every way they are stored.

Everything is cast by an independent slab test against boxes, so that what a reader gives back can be computed for any
camera. Things hover 3 cm above the floor: a box that is grown by a centimetre then meets nothing else.
"""

from __future__ import annotations

import io
import json
import struct
import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import av
import numpy as np
import pyarrow
import trimesh
from PIL import Image
from scipy.spatial.transform import Rotation

from ocr_hf.geometry.boxes import OrientedBox
from ocr_hf.geometry.camera import look_at, rigid_inverse
from ocr_hf.scenes.recorded.conventions import GL_TO_CV
from ocr_hf.scenes.scene import Scene
from tests import scannet_files
from tests.scannet_files import ScanRoom
from tests.scenes.boxes import box_mesh, box_object

COUNT, LOST = 5, 2
THINGS = {
    1: ("table", (2.6, 3.3, 0.38), (1.2, 0.8, 0.7)),
    2: ("chair", (1.5, 2.6, 0.48), (0.5, 0.5, 0.9)),
    3: ("cabinet", (4.2, 3.5, 0.73), (0.8, 0.4, 1.4)),
    4: ("sofa", (0.9, 4.0, 0.38), (0.9, 0.6, 0.7)),
    5: ("tv", (2.6, 4.4, 1.2), (1.0, 0.1, 0.6)),
}
FLOOR = OrientedBox.axis_aligned(np.array([0.0, -1.0, -0.1]), np.array([5.0, 5.0, 0.0]))
WALLS = (
    OrientedBox.axis_aligned(np.array([0.0, 4.9, 0.0]), np.array([5.0, 5.0, 2.6])),
    OrientedBox.axis_aligned(np.array([4.9, -1.0, 0.0]), np.array([5.0, 4.9, 2.6])),
    OrientedBox.axis_aligned(np.array([0.0, -1.0, 0.0]), np.array([0.1, 4.9, 2.6])),
)
STRUCTURE_ID = 6
COLOURS = np.array(
    [[120, 110, 100], [200, 60, 60], [60, 170, 80], [70, 90, 210], [220, 190, 60], [30, 30, 40]], dtype=np.uint8
)
"""By id; 0 is the structure."""
SCENE_ID, VIDEO = "0a1b2c3d4e", "40753679"
"""VSI-Bench tests on neither."""
PHONE, SENSOR, DSLR = (192, 144), (256, 192), (168, 112)
"""Pictures of the iPhone, a tenth of 1920x1440; of ARKitScenes' lowres_wide and both data sets' depth; of the DSLR."""
PHONE_CAMERA = np.array([[150.0, 0.0, 97.0], [0.0, 150.0, 71.0], [0.0, 0.0, 1.0]])
SENSOR_CAMERA = np.array([[212.0, 0.0, 127.0], [0.0, 212.0, 97.5], [0.0, 0.0, 1.0]])
LENS = np.array([[76.0, 0.0, 84.5], [0.0, 76.4, 55.0], [0.0, 0.0, 1.0]])
BENT = np.array([-0.03, 0.012, -0.004, 0.0008])
PINHOLE = np.array([[95.0, 0.0, 84.0], [0.0, 95.0, 56.0], [0.0, 0.0, 1.0]])
"""Of pictures that the data set's tools undistorted."""
SKY_TURNS = {"Up": 0, "Right": 1, "Down": 2, "Left": 3}


@dataclass(frozen=True, eq=False)
class Seen:
    """picture (H, W, 3) uint8, depth (H, W) metres, ids (H, W)."""

    picture: np.ndarray
    depth: np.ndarray
    ids: np.ndarray


def boxes() -> dict[int, OrientedBox]:
    return {
        number: OrientedBox(np.array(center), np.array(size), np.eye(3)) for number, (_, center, size) in THINGS.items()
    }


def scene() -> Scene:
    objects = tuple(box_object(number, box, label=THINGS[number][0]) for number, box in boxes().items())
    return Scene("room", "test", objects, structure=tuple(map(box_mesh, (FLOOR, *WALLS))))


def poses() -> np.ndarray:
    """Upright cameras (T, 4, 4) that walk past the things."""
    eyes = np.column_stack([np.linspace(1.6, 3.4, COUNT), np.linspace(-0.6, -0.2, COUNT), np.full(COUNT, 1.5)])
    return np.stack([look_at(eye, np.array([2.5, 3.5, 0.7])) for eye in eyes])


def pinhole_rays(camera: np.ndarray, width: int, height: int) -> np.ndarray:
    """Return (H, W, 3) directions in the camera, 1 along its axis."""
    v, u = np.mgrid[0:height, 0:width] + 0.5
    return np.stack([u, v, np.ones_like(u)], axis=-1) @ np.linalg.inv(camera).T


def fisheye_rays() -> np.ndarray:
    """Return the directions (H, W, 3) of the lens's pixels: the angles that its polynomial takes to their places."""
    v, u = np.mgrid[0 : DSLR[1], 0 : DSLR[0]] + 0.5
    across, down = (u - LENS[0, 2]) / LENS[0, 0], (v - LENS[1, 2]) / LENS[1, 1]
    away = np.hypot(across, down)
    angles = np.linspace(0.0, 1.5, 20001)
    reached = angles * (1.0 + sum(k * angles ** (2 * n) for n, k in enumerate(BENT, 1)))
    angle = np.interp(away, reached, angles)
    sides = np.stack([across, down], axis=-1) * (np.sin(angle) / np.maximum(away, 1e-12))[..., None]
    return np.concatenate([sides, np.cos(angle)[..., None]], axis=-1)


def cast(rays: np.ndarray, pose: np.ndarray) -> Seen:
    """Return what is seen along rays (H, W, 3); depth is along the axis where their third part is 1."""
    depth, ids = np.full(rays.shape[:2], np.inf), np.zeros(rays.shape[:2], dtype=np.uint16)
    world = rays @ pose[:3, :3].T
    for number, box in [*boxes().items(), *((0, box) for box in (FLOOR, *WALLS))]:
        origin, local = (pose[:3, 3] - box.center) @ box.rotation, world @ box.rotation
        with np.errstate(divide="ignore", invalid="ignore"):
            near, far = (-box.size / 2 - origin) / local, (box.size / 2 - origin) / local
        enter, leave = np.fmin(near, far).max(axis=-1), np.fmax(near, far).min(axis=-1)
        nearer = (enter <= leave) & (enter > 0.0) & (enter < depth)
        depth[nearer], ids[nearer] = enter[nearer], number
    return Seen(COLOURS[ids], np.where(np.isfinite(depth), depth, 0.0), ids)


@cache
def _seen(camera: bytes, pose: bytes, width: int, height: int) -> Seen:
    matrices = np.frombuffer(camera).reshape(3, 3), np.frombuffer(pose).reshape(4, 4)
    return cast(pinhole_rays(matrices[0], width, height), matrices[1])


def seen(camera: np.ndarray, pose: np.ndarray, size: tuple[int, int]) -> Seen:
    """Return what a pinhole camera sees, in pixels of its picture."""
    return _seen(np.ascontiguousarray(camera, float).tobytes(), np.ascontiguousarray(pose, float).tobytes(), *size)


def scaled(camera: np.ndarray, size: tuple[int, int], to: tuple[int, int]) -> np.ndarray:
    return np.diag([to[0] / size[0], to[1] / size[1], 1.0]) @ camera


def refocused(camera: np.ndarray, number: int, refocus: bool) -> np.ndarray:
    """Return the camera of a frame, whose focal length goes up and down by 2 %."""
    found = camera.copy()
    if refocus:
        found[[0, 1], [0, 1]] *= 1.0 + 0.02 * np.sin(2.0 * number)
        found[:2, 2] += [0.6 * np.cos(number), 0.4 * np.sin(3.0 * number)]
    return found


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def scannet_room() -> ScanRoom:
    """The room as `scannet_files.write_scan` takes it, with twice its number of pixels a side."""
    count = scannet_files.FRAMES
    eyes = poses()[np.linspace(0, COUNT - 1, count).astype(int)]
    color = [seen(scannet_files.COLOR_CAMERA, pose, scannet_files.COLOR) for pose in eyes]
    depth = [seen(scannet_files.DEPTH_CAMERA, pose, scannet_files.DEPTH).depth for pose in eyes]
    camera = scaled(scannet_files.COLOR_CAMERA, scannet_files.COLOR, scannet_files.DEPTH)
    jpegs = []
    for each in color:
        buffer = io.BytesIO()
        Image.fromarray(each.picture).save(buffer, "JPEG", quality=95)
        jpegs.append(buffer.getvalue())
    return ScanRoom(
        scene(),
        eyes,
        tuple(jpegs),
        np.rint(np.stack(depth) * 1000).astype(np.uint16),
        np.stack([seen(camera, pose, scannet_files.DEPTH).depth for pose in eyes]),
        np.stack([each.ids for each in color]),
        5_000_000 + np.arange(count) * 33_333,
        STRUCTURE_ID,
        1,
    )


def write_scannetpp(folder: Path, name: str = SCENE_ID) -> Path:
    """Write the annotation of a scene; return its folder."""
    root = folder / name
    (root / "scans").mkdir(parents=True)
    parts = [(item.id, item.meshes[0]) for item in scene().objects]
    parts += [(STRUCTURE_ID, mesh) for mesh in scene().structure]
    vertices = np.concatenate([mesh.vertices for _, mesh in parts])
    faces = np.concatenate([mesh.faces + 8 * place for place, (_, mesh) in enumerate(parts)])
    trimesh.Trimesh(vertices, faces, process=False).export(root / "scans/mesh_aligned_0.05.ply")
    segments = np.repeat([10 * number for number, _ in parts], 8).tolist()
    (root / "scans/segments.json").write_text(json.dumps({"segIndices": segments}))
    labels = {number: label for number, (label, _, _) in THINGS.items()} | {STRUCTURE_ID: "wall"}
    groups = [
        {"id": number, "objectId": number - 1, "label": label, "segments": [10 * number]}
        for number, label in labels.items()
    ]
    # What was taken out for privacy
    groups.append({"id": 99, "objectId": 98, "label": "remove", "segments": []})
    (root / "scans/segments_anno.json").write_text(json.dumps({"segGroups": groups}))
    return root


def write_phone(root: Path, pictures: str = "rgb", depth: str = "lz4", refocus: bool = False) -> Path:
    """Write a scene's folder iphone, with one frame that lost tracking.

    pictures : "rgb" or "mkv"; depth : "png", "lz4", "deflate", "whole" or "none"
    """
    folder = root / "iphone"
    folder.mkdir()
    told, frames, maps = {}, [], []
    for number, pose in enumerate(poses()):
        camera = refocused(PHONE_CAMERA, number, refocus)
        lost = number == LOST
        told[f"frame_{number:06d}"] = {
            "timestamp": 7000.5 + number / 60.0,
            "pose": np.eye(4).tolist(),
            "aligned_pose": np.full((4, 4), -np.inf).tolist() if lost else pose.tolist(),
            "intrinsic": scaled(camera, PHONE, (1920, 1440)).tolist(),
            "imu": {},
        }
        frames.append(seen(camera, pose, PHONE).picture)
        maps.append(np.rint(seen(scaled(camera, PHONE, SENSOR), pose, SENSOR).depth * 1000).astype(np.uint16))
    (folder / "pose_intrinsic_imu.json").write_text(json.dumps(told))
    if pictures == "mkv":
        write_lossless(folder / "rgb.mkv", frames)
    else:
        (folder / "rgb").mkdir()
        for number, frame in enumerate(frames):
            Image.fromarray(frame).save(folder / f"rgb/frame_{number:06d}.jpg", quality=95)
    if depth == "png":
        (folder / "depth").mkdir()
        for number, each in enumerate(maps):
            (folder / f"depth/frame_{number:06d}.png").write_bytes(png(each))
    elif depth != "none":
        (folder / "depth.bin").write_bytes(depth_bin(np.stack(maps), depth))
    return folder


def depth_bin(maps_mm: np.ndarray, way: str) -> bytes:
    """Pack depth (T, 192, 256) uint16 millimetres as ScanNet++ has it: "lz4", "deflate" or "whole"."""

    def deflated(data: bytes) -> bytes:
        packer = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
        return packer.compress(data) + packer.flush()

    metres = (maps_mm / 1000.0).astype("<f4")
    if way == "whole":
        return deflated(metres.tobytes())
    blocks = (
        [pyarrow.compress(each.astype("<u2").tobytes(), codec="lz4_raw", asbytes=True) for each in maps_mm]
        if way == "lz4"
        else [deflated(each.tobytes()) for each in metres]
    )
    return b"".join(struct.pack("<I", len(block)) + block for block in blocks)


def write_lossless(path: Path, frames: list[np.ndarray]) -> None:
    with av.open(str(path), "w") as file:
        stream = file.add_stream("ffv1", rate=60)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "bgr0"
        for frame in frames:
            for packet in stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")):
                file.mux(packet)
        for packet in stream.encode():
            file.mux(packet)


def write_dslr(root: Path, undistorted: bool = False, bad: int | None = None) -> Path:
    """Write a scene's folder dslr."""
    folder = root / "dslr"
    (folder / "colmap").mkdir(parents=True)
    (folder / "nerfstudio").mkdir()
    numbers = [LENS[0, 0], LENS[1, 1], LENS[0, 2], LENS[1, 2], *BENT]
    camera = " ".join(f"{value:.12g}" for value in numbers)
    (folder / "colmap/cameras.txt").write_text(f"# cameras\n1 OPENCV_FISHEYE {DSLR[0]} {DSLR[1]} {camera}\n")
    lines, frames = [], []
    kind = "resized_undistorted_images" if undistorted else "resized_images"
    (folder / kind).mkdir()
    for number, pose in enumerate(poses()):
        name = f"DSC{number + 1:05d}.JPG"
        to_camera = rigid_inverse(pose)
        x, y, z, w = Rotation.from_matrix(to_camera[:3, :3]).as_quat()
        row = " ".join(f"{value:.15g}" for value in (w, x, y, z, *to_camera[:3, 3]))
        lines += [f"{number + 1} {row} 1 {name}", "1.0 2.0 -1"]
        frames.append({"file_path": name, "transform_matrix": (pose @ GL_TO_CV).tolist(), "is_bad": number == bad})
        picture = seen(PINHOLE, pose, DSLR).picture if undistorted else cast(fisheye_rays(), pose).picture
        Image.fromarray(picture).save(folder / kind / name, quality=95)
    (folder / "colmap/images.txt").write_text("\n".join(lines) + "\n")
    told = {"camera_model": "OPENCV_FISHEYE", "frames": frames[:-1], "test_frames": frames[-1:]}
    (folder / "nerfstudio/transforms.json").write_text(json.dumps(told))
    if undistorted:
        told = {
            "fl_x": PINHOLE[0, 0], "fl_y": PINHOLE[1, 1], "cx": PINHOLE[0, 2], "cy": PINHOLE[1, 2],
            "w": DSLR[0], "h": DSLR[1], "camera_model": "PINHOLE", "frames": frames, "test_frames": [],
        }  # fmt: skip
        (folder / "nerfstudio/transforms_undistorted.json").write_text(json.dumps(told))
    return folder


def sensor_pose(pose: np.ndarray, sky: str) -> np.ndarray:
    """Return the pose of a phone that is held so that the sky is at one side of its pictures.

    The sensor's axes (columns) in the upright camera: with the sky at its right, up is its x axis.
    """
    up, right = np.array([0.0, -1.0, 0.0]), np.array([1.0, 0.0, 0.0])
    columns = {"Up": (right, -up), "Right": (up, right), "Down": (-right, up), "Left": (-up, -right)}[sky]
    turn = np.eye(4)
    turn[:3, 0], turn[:3, 1] = columns
    return pose @ turn


def write_arkitscenes(
    root: Path,
    layout: str = "raw",
    sky: str = "Up",
    refocus: bool = False,
    video: str = VIDEO,
    told_sky: str | None = None,
) -> Path:
    """Write a video's folder, "raw" or "3dod", and metadata.csv above it; return the folder.

    A picture without a pose and one without a .pincam are there as well.
    """
    folder = root / layout / "Training" / video
    frames = folder / f"{video}_frames" if layout == "3dod" else folder
    for kind in ("lowres_wide", "lowres_depth", "lowres_wide_intrinsics"):
        (frames / kind).mkdir(parents=True)
    lines = []
    for number, pose in enumerate(poses()):
        camera, at = refocused(SENSOR_CAMERA, number, refocus), sensor_pose(pose, sky)
        view = seen(camera, at, SENSOR)
        time = 3414.548 + 0.1 * number
        stem = f"{video}_{time:.3f}"
        (frames / f"lowres_wide/{stem}.png").write_bytes(png(view.picture))
        (frames / f"lowres_depth/{stem}.png").write_bytes(png(np.rint(view.depth * 1000).astype(np.uint16)))
        # The names of some lie a millisecond beside those of the pictures
        named = f"{video}_{time + 0.001 * (number % 2):.3f}"
        words = (*SENSOR, camera[0, 0], camera[1, 1], camera[0, 2], camera[1, 2])
        (frames / f"lowres_wide_intrinsics/{named}.pincam").write_text(" ".join(f"{word:.12g}" for word in words))
        to_camera = rigid_inverse(at)
        turn = Rotation.from_matrix(to_camera[:3, :3]).as_rotvec()
        lines.append(" ".join(f"{value:.15g}" for value in (time + 0.004, *turn, *to_camera[:3, 3])))
    blank = png(np.zeros((SENSOR[1], SENSOR[0], 3), dtype=np.uint8))
    (frames / f"lowres_wide/{video}_3414.598.png").write_bytes(blank)
    (frames / f"lowres_wide/{video}_3414.550.png").write_bytes(blank)
    (frames / "lowres_wide.traj").write_text("\n".join(lines) + "\n")
    data = [
        {
            "uid": f"{number}",
            "label": "tv_monitor" if label == "tv" else label,
            "segments": {
                # One row an axis; a half turn about +Z, which is the same box
                "obbAligned": {"centroid": center, "axesLengths": size, "normalizedAxes": [-1, 0, 0, 0, -1, 0, 0, 0, 1]}
            },
        }
        for number, (label, center, size) in THINGS.items()
    ]
    (folder / f"{video}_3dod_annotation.json").write_text(json.dumps({"data": data, "skipped": False}))
    table = root / "raw" / "metadata.csv"
    table.parent.mkdir(exist_ok=True)
    rows = [f"{video},420001,Training,{told_sky or sky},False", f"{int(video) + 1},,Training,Up,False"]
    table.write_text("\n".join(["video_id,visit_id,fold,sky_direction,is_in_upsampling", *rows, ""]))
    return folder

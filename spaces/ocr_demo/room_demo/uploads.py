"""A visitor's own scene: a GLB file, or a short clip with cameras and boxes. Everything is checked before it is read.

Limits are about this server's memory and patience; errors name them.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ocr_hf.data.video import VideoError, probe, read_frames, uniform_indices
from ocr_hf.geometry.boxes import OrientedBox
from ocr_hf.geometry.camera import check_intrinsics, check_poses, scale_intrinsics
from ocr_hf.geometry.occlusion import footprints_from_boxes
from ocr_hf.questions.generate import generate_questions
from ocr_hf.questions.question import QuestionConfig
from ocr_hf.scenes.scene import Scene, SceneObject

from .clip import DemoClip
from .problems import Problem, without_folders
from .room_model import write_room_model
from .rooms import Rooms, Tell, film, nothing_to_tell

MAX_BYTES = 64 * 2**20
MAX_FACES = 300_000
MAX_TEXTURE_PIXELS = 4096 * 4096
MAX_NODES = 2000
MAX_OBJECTS = 300
MAX_JSON_BYTES = 8 * 2**20
MAX_SECONDS = 120.0
MAX_VIDEO_FRAMES = 4000
MAX_VIDEO_PIXELS = 1920 * 1080
MAX_METRES = 1000.0
MAX_FOCAL = 100
"""Of a lens, in widths of its picture: a telescope's."""
LABEL_CHARS = 40
_OPTION = re.compile(r"[;,] (?:or )?give --.*", re.DOTALL)
"""What the reader's messages say to those who have its command line."""


def add_mesh(rooms: Rooms, path: str | None, tell: Tell = nothing_to_tell) -> DemoClip:
    """Film a visitor's GLB and return the clip; raise Problem or ValueError in one sentence where it can't be used."""
    source = _checked_file(path, (".glb",), "a GLB file")
    data = source.read_bytes()
    _check_glb(source, data)
    clip_id = f"upload-{hashlib.blake2b(data, digest_size=8).hexdigest()}"
    if rooms.store.has(clip_id):
        return rooms.clip(clip_id)
    tell(0.02, "Reading the scene")
    from ocr_hf.scenes.readers.mesh_file import load_mesh_scene

    with tempfile.TemporaryDirectory(prefix="ocr_demo_") as folder:
        # A copy alone in a folder: nothing beside it can be referred to, and messages name no folder of ours
        copy = Path(folder) / "scene.glb"
        shutil.copyfile(source, copy)
        try:
            scene = load_mesh_scene(copy, name="Your scene")
        except ValueError as error:
            told = _OPTION.sub("", str(error))
            if told == str(error):
                raise
            # Options of the command line are nothing that a visitor of the page could give
            raise Problem(f"{without_folders(told)}; correct it in the program that wrote it.") from error
    if not 1 <= len(scene.objects) <= MAX_OBJECTS:
        raise Problem(
            f"The scene has {len(scene.objects)} objects; 1 to {MAX_OBJECTS} are allowed. Name nodes 'chair_1#part'."
        )
    note = "Your scene, filmed on a planned walk. Uploads are removed after a while."
    return rooms.keep(film(rooms.store, scene, clip_id, "Your scene", note, rooms.size, tell, light_rays=24))


def add_clip(rooms: Rooms, video: str | None, cameras: str | None, tell: Tell = nothing_to_tell) -> DemoClip:
    """Take a visitor's clip with cameras and boxes; raise Problem or ValueError in one sentence where it can't be used.

    cameras : JSON {"intrinsics": 3x3, "camera_to_world": [4x4 per video frame], "objects": [{"label", "center",
    "size", "rotation" (3x3, optional)}]}; metres, +Z up, OpenCV camera axes
    """
    film_file = _checked_file(video, (".mp4",), "an MP4 video")
    json_file = _checked_file(cameras, (".json",), "a JSON file with cameras and boxes", MAX_JSON_BYTES)
    data, text = film_file.read_bytes(), json_file.read_bytes()
    clip_id = f"upload-{hashlib.blake2b(data + text, digest_size=8).hexdigest()}"
    if rooms.store.has(clip_id):
        return rooms.clip(clip_id)
    given = _parsed(text)
    tell(0.1, "Checking the video")
    info = _checked_video(film_file, data)
    poses = check_poses(_array(given, "camera_to_world"))
    if len(poses) != info.num_frames:
        raise Problem(f"The video has {info.num_frames} frames and the JSON {len(poses)} poses; give one per frame.")
    if np.abs(poses[:, :3, 3]).max() > MAX_METRES:
        raise Problem(f"A camera is more than {MAX_METRES:.0f} m from the origin; is the file in metres?")
    intrinsics = check_intrinsics(_array(given, "intrinsics"))
    focal, most = max(intrinsics[0, 0], intrinsics[1, 1]), MAX_FOCAL * info.width
    if focal > most:
        raise Problem(f"The focal length is {focal:.3g} pixels; at most {most} make sense for this video.")
    labels, boxes = _objects(given)
    tell(0.4, "Reading the frames")
    size = rooms.size
    indices = uniform_indices(info.num_frames, size.frames)
    frames, times = _resized(film_file, indices, size.width)
    scale = (frames.shape[2] / info.width, frames.shape[1] / info.height)
    intrinsics = scale_intrinsics(intrinsics, *scale)
    footprints = footprints_from_boxes(boxes, poses[indices], intrinsics, *frames.shape[1:3])
    if not footprints.object_ids:
        raise Problem("No box projects into any frame; check axes (camera z looks forward) and units (metres).")
    scene = Scene(
        name="your-clip", source="upload", objects=tuple(SceneObject(i, labels[i], box) for i, box in boxes.items())
    )
    tell(0.8, "Asking what can be asked")
    questions = generate_questions(scene, None, None, seed=0, config=QuestionConfig(visibility=None)).questions
    write_room_model(rooms.store.media_folder(clip_id) / "room.glb", scene, poses[indices])
    fps = (len(times) - 1) / float(times[-1] - times[0]) if len(times) > 1 else info.fps
    clip = DemoClip(
        id=clip_id,
        title="Your clip",
        note="Your clip: noise covers whole projected boxes, since occlusion is unknown. It is removed after a while.",
        frames=frames,
        depth=None,
        footprints=footprints,
        labels=labels,
        boxes=boxes,
        camera_to_world=poses[indices],
        intrinsics=intrinsics,
        fps=fps,
        questions=questions,
    )
    return rooms.keep(rooms.store.save(clip))


def _checked_file(path: str | None, suffixes: tuple[str, ...], what: str, most: int = MAX_BYTES) -> Path:
    if not path:
        raise Problem(f"There is no file; upload {what}.")
    file = Path(path)
    if file.suffix.lower() not in suffixes or not file.is_file():
        raise Problem(f"'{file.name[:60]}' is not {what}; its name must end in {' or '.join(suffixes)}.")
    size = file.stat().st_size
    if not 0 < size <= most:
        raise Problem(f"'{file.name[:60]}' has {size / 2**20:.1f} MiB; it may have at most {most >> 20}, and not 0.")
    return file


def _check_glb(path: Path, data: bytes) -> None:
    """Raise Problem for what could cost too much or reach outside: counts are read from the header alone."""
    from ocr_hf.scenes.readers.mesh_references import gltf_header

    if data[:4] != b"glTF":
        raise Problem("The file is no GLB (its first bytes are not 'glTF'); export the scene as binary glTF.")
    header = gltf_header(path)
    try:
        _check_header(header, data)
    except (KeyError, IndexError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise Problem("The GLB's header doesn't fit together; export it again.") from error


def _check_header(header: Mapping[str, Any], data: bytes) -> None:
    for item in (*header.get("buffers", []), *header.get("images", [])):
        if item.get("uri") and not str(item["uri"]).startswith("data:"):
            raise Problem(f"The GLB refers to another file ('{str(item['uri'])[:60]}'); embed everything in it.")
    nodes = header.get("nodes", [])
    if len(nodes) > MAX_NODES:
        raise Problem(f"The GLB has {len(nodes)} nodes; at most {MAX_NODES} are allowed, join parts of objects.")
    accessors, faces = header.get("accessors", []), []
    for mesh in header.get("meshes", []):
        counts = [
            accessors[part["indices"] if "indices" in part else part["attributes"]["POSITION"]]["count"]
            for part in mesh["primitives"]
        ]
        faces.append(sum(int(count) for count in counts) // 3)
    # By node: a mesh that many nodes share is filmed as often
    total = sum(faces[node["mesh"]] for node in nodes if "mesh" in node)
    if total > MAX_FACES:
        raise Problem(f"The GLB has {total:,} triangles; at most {MAX_FACES:,} are allowed, simplify it.")
    _check_textures(header, data)


def _check_textures(header: Mapping[str, Any], data: bytes) -> None:
    from PIL import Image

    # Behind the file's header, the JSON chunk and the 8 bytes that open the binary one
    start = 20 + int.from_bytes(data[12:16], "little") + 8
    pixels = 0
    for image in header.get("images", []):
        if "bufferView" not in image:
            raise Problem("The GLB holds an image as text; export it as binary glTF with its images inside.")
        view = header["bufferViews"][image["bufferView"]]
        first = start + int(view.get("byteOffset", 0))
        try:
            # Pillow reads only the header here, so a bomb isn't unpacked
            with Image.open(io.BytesIO(data[first : first + int(view["byteLength"])])) as opened:
                pixels += opened.width * opened.height
        except (OSError, Image.DecompressionBombError) as error:
            raise Problem("A texture of the GLB can't be read; embed textures as PNG or JPEG.") from error
    if pixels > MAX_TEXTURE_PIXELS:
        most = MAX_TEXTURE_PIXELS / 1e6
        raise Problem(f"The textures have {pixels / 1e6:.0f} megapixels; at most {most:.0f} are allowed.")


def _checked_video(path: Path, data: bytes) -> Any:
    if data[4:8] != b"ftyp":
        raise Problem(f"'{path.name[:60]}' is no MP4 inside, whatever its name says; convert it with FFmpeg.")
    try:
        info = probe(path)
    except (VideoError, ValueError, OSError) as error:
        raise Problem(f"'{path.name[:60]}' can't be read as a video; convert it to H.264 MP4.") from error
    if info.duration_s > MAX_SECONDS or info.num_frames > MAX_VIDEO_FRAMES:
        raise Problem(
            f"The video has {info.num_frames} frames in {info.duration_s:.0f} s; at most {MAX_VIDEO_FRAMES} in "
            f"{MAX_SECONDS:.0f} s are allowed, cut it."
        )
    if info.num_frames < 2 or min(info.width, info.height) < 32:
        raise Problem("The video is too short or too small; it needs 2 frames and 32 pixels a side.")
    if info.width * info.height > MAX_VIDEO_PIXELS:
        raise Problem(f"Frames have {info.width}x{info.height} pixels; at most 1920x1080 are allowed, scale it down.")
    return info


def _resized(path: Path, indices: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return ((T, H, W, 3) uint8 frames at most `width` wide with even sides, their times), a few decoded at a time."""
    import cv2

    out, times = [], []
    for start in range(0, len(indices), 8):
        frames, shown = read_frames(path, indices[start : start + 8])
        height_in, width_in = frames.shape[1:3]
        scale = min(1.0, width / width_in)
        target = (max(2, 2 * round(width_in * scale / 2)), max(2, 2 * round(height_in * scale / 2)))
        out += [cv2.resize(frame, target, interpolation=cv2.INTER_AREA) for frame in frames]
        times.append(shown)
    return np.stack(out), np.concatenate(times)


def _parsed(text: bytes) -> dict[str, Any]:
    try:
        given = json.loads(text.decode("utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise Problem("The cameras file is no JSON in UTF-8; check it with a JSON validator.") from error
    if not isinstance(given, dict):
        raise Problem("The cameras file must be a JSON object with intrinsics, camera_to_world and objects.")
    return given


def _array(given: Mapping[str, Any], name: str, item: str = "the JSON") -> np.ndarray:
    if name not in given:
        raise Problem(f"'{name}' is missing in {item}; see the format below the upload.")
    try:
        return np.array(given[name], dtype=np.float64)
    except (ValueError, TypeError, OverflowError) as error:
        raise Problem(f"'{name}' in {item} is no matrix of numbers of one shape.") from error


def _objects(given: Mapping[str, Any]) -> tuple[dict[int, str], dict[int, OrientedBox]]:
    items = given.get("objects")
    if not isinstance(items, list) or not 1 <= len(items) <= MAX_OBJECTS:
        raise Problem(f"'objects' must be a list of 1 to {MAX_OBJECTS} boxes.")
    labels, boxes = {}, {}
    for number, item in enumerate(items, 1):
        if not isinstance(item, dict):
            raise Problem(f"Object {number} is no JSON object; give label, center and size.")
        # Labels enter questions, prompts and the page
        label = "".join(c for c in str(item.get("label", "")) if c.isalnum() or c in " -_").strip().lower()
        if not label:
            raise Problem(f"Object {number} has no label of letters; name it, as in 'chair'.")
        labels[number] = label[:LABEL_CHARS]
        rotation = _array(item, "rotation", f"object {number}") if "rotation" in item else np.eye(3)
        where = f"object {number}"
        boxes[number] = OrientedBox(_array(item, "center", where), _array(item, "size", where), rotation)
        if not 0.001 <= boxes[number].size.max() < 50.0:
            raise Problem(f"Object {number} is {boxes[number].size.tolist()} m large; is the file in metres?")
        if np.abs(boxes[number].center).max() > MAX_METRES:
            raise Problem(f"Object {number} is more than {MAX_METRES:.0f} m from the origin; is the file in metres?")
    return labels, boxes

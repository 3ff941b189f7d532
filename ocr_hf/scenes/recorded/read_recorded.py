"""Reading a recorded scene: its JSON files at once, its pictures when they are asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ocr_hf.geometry.boxes import OrientedBox
from ocr_hf.geometry.camera import check_intrinsics
from ocr_hf.scenes.class_words import lower
from ocr_hf.scenes.readers.mesh_options import UNITS
from ocr_hf.scenes.recorded.contradictions import check_scene
from ocr_hf.scenes.recorded.conventions import Conventions
from ocr_hf.scenes.recorded.frame_files import inside, picture_size, read_depth, read_ids, read_rgb
from ocr_hf.scenes.recorded.intake_format import (
    BOX_KEYS,
    BOXES,
    CAMERA_KEYS,
    CAMERAS,
    CONVERTED,
    CONVERTED_KEYS,
    FRAME_KEYS,
    OBJECT_KEYS,
    PIXEL_CENTRES,
    ROOM_KEYS,
    read_json,
    read_object,
)
from ocr_hf.scenes.recorded.refocused import Refocused
from ocr_hf.scenes.recorded.seen_boxes import SURVEYED, seen_boxes
from ocr_hf.scenes.scene import MAX_OBJECT_ID, Room, Scene, SceneObject
from ocr_hf.video.read import uniform_indices
from ocr_hf.video.reader import VideoError, VideoReader

SAME_SHAPE = 0.02
"""How far the ratio of width to height of a depth or instance map may be from that of the images."""
NO_BOX = OrientedBox(np.zeros(3), np.zeros(3), np.eye(3))
"""Stands for boxes that aren't fitted yet."""
NO_POSE, LOST_POSE = "without a pose", "with a lost pose"


@dataclass(frozen=True)
class FrameFiles:
    """The files of one frame, as paths; `image` or `video_frame` is there."""

    image: Path | None
    video_frame: int | None
    depth: Path | None
    instances: Path | None


@dataclass(frozen=True, eq=False)
class RecordedFolder:
    """A recorded scene in our conventions: metres, +Z up, OpenCV cameras, pixel centres at 0.5.

    scene : boxes, rooms, licence; its objects have no meshes
    files : of the usable frames, in order of time
    numbers : (N,) int64, which entries of `frames` in cameras.json these are
    times_s : (N,) float64, ascending
    camera_to_world : (N, 4, 4) float64
    intrinsics : (3, 3) in pixels of the images, of all frames
    width, height : of the images
    dropped : reason -> number of frames that can't be used
    scan : name of the scan in the data set that it comes from, or None
    structure_ids : what isn't an object in instance maps
    notes : what the user should know of it
    converted : how it was made of a scan, None where it was not, or nothing says so
    """

    root: Path
    scene: Scene
    files: tuple[FrameFiles, ...]
    numbers: np.ndarray
    times_s: np.ndarray
    camera_to_world: np.ndarray
    intrinsics: np.ndarray
    width: int
    height: int
    dropped: Mapping[str, int]
    scan: str | None
    depth_unit_m: float | None
    video: Path | None
    structure_ids: frozenset[int]
    notes: tuple[str, ...] = ()
    refocused: Refocused | None = None
    """What brings frames with intrinsics of their own to the common ones."""
    converted: Mapping[str, Any] | None = None

    @property
    def has_depth(self) -> np.ndarray:
        """(N,) bool, which frames have a depth map."""
        return np.array([files.depth is not None for files in self.files])

    @property
    def has_instances(self) -> np.ndarray:
        """(N,) bool, which frames have an instance map."""
        return np.array([files.instances is not None for files in self.files])

    def images(self, indices: Sequence[int] | np.ndarray) -> Iterator[np.ndarray]:
        """Yield the pictures of usable frames, (H, W, 3) uint8; raise ValueError, naming it, where one is damaged."""
        chosen = [self.files[index] for index in indices]
        wanted = [files.video_frame for files in chosen if files.video_frame is not None]
        filmed = _from_video(self.video, self._where(self.video), wanted) if wanted else iter(())
        for index, files in zip(indices, chosen, strict=True):
            picture = next(filmed) if files.image is None else read_rgb(files.image, self._where(files.image))
            yield picture if self.refocused is None else self.refocused.picture(int(index), picture)

    def depth(self, index: int) -> np.ndarray | None:
        """Return its depth map, (h, w) float32 metres, 0 = unknown; None where it has none."""
        path = self.files[index].depth
        if path is None:
            return None
        return self._shaped(read_depth(path, self._where(path), self.depth_unit_m), path, index)

    def instances(self, index: int) -> np.ndarray | None:
        """Return its instance map, (h, w) uint16, structure and background 0; None where it has none."""
        path = self.files[index].instances
        if path is None:
            return None
        ids = self._shaped(read_ids(path, self._where(path)), path, index)
        known = {item.id for item in self.scene.objects}
        found = np.unique(ids)
        strange = [int(i) for i in found if i and int(i) not in known and int(i) not in self.structure_ids]
        if strange:
            raise ValueError(
                f"{self._where(path)} shows id {strange[0]}, which {BOXES} doesn't have; add the object, with "
                "label null if it is structure"
            )
        return np.where(np.isin(ids, list(known)), ids, 0).astype(np.uint16)

    def _where(self, path: Path) -> str:
        return f"{self.scene.name}/{path.relative_to(self.root).as_posix()}"

    def _shaped(self, pixels: np.ndarray, path: Path, index: int) -> np.ndarray:
        height, width = pixels.shape
        if abs(width * self.height / (height * self.width) - 1.0) > SAME_SHAPE:
            raise _other_size(self._where(path), width, height, self.width, self.height)
        return pixels if self.refocused is None else self.refocused.map(index, pixels)


def read_recorded(folder: Path | str, name: str | None = None) -> RecordedFolder:
    """Read the folder of a recorded scene.

    Args:
        folder: with cameras.json, boxes.json and the files that they name (docs/your-own-scans.md).
        name: the scene's name, by which messages call it; None = the folder's.

    Returns:
        The scene. Frames without a pose, or with one that isn't finite, are left out and counted. Pictures are opened
        for their sizes only.

    Raises:
        ValueError: in one sentence: a key is missing or unknown, a value isn't as told, a file is missing, lies outside
            the folder or has another size, or cameras and boxes contradict each other.
    """
    # Resolved, so that "." has a name
    folder = Path(folder).resolve()
    name = name or folder.name
    told = read_json(folder / CAMERAS, f"{name}/{CAMERAS}", CAMERA_KEYS)
    boxes = read_json(folder / BOXES, f"{name}/{BOXES}", BOX_KEYS)
    where = f"{name}/{CAMERAS}"
    conventions = Conventions(told["up"], UNITS[told["units"]], told["camera_axes"], told["poses"])
    scene, structure_ids = _scene(name, told, boxes, conventions)
    video = None if told["video"] is None else inside(folder, told["video"], where)
    frames = [read_object(frame, f"{where}, frame {number}", FRAME_KEYS) for number, frame in enumerate(told["frames"])]
    files = tuple(_files(folder, frame, f"{where}, frame {number}") for number, frame in enumerate(frames))
    if any(item.depth for item in files) and told["depth_unit_m"] is None:
        raise ValueError(
            f"{where} has depth maps but no depth_unit_m; give the metres of one unit, 0.001 for millimetres"
        )
    times = _times(frames, video, where)
    numbers, poses, dropped = _usable(frames, where, conventions)
    intrinsics, refocused = _cameras(told, frames, numbers, where)
    found = RecordedFolder(
        root=folder,
        scene=scene,
        files=tuple(files[number] for number in numbers),
        numbers=numbers,
        times_s=times[numbers],
        camera_to_world=poses,
        intrinsics=intrinsics,
        width=told["width"],
        height=told["height"],
        dropped=dropped,
        scan=told["scan"],
        depth_unit_m=told["depth_unit_m"],
        video=video,
        structure_ids=structure_ids,
        notes=() if refocused is None else (refocused.note,),
        refocused=refocused,
        converted=_converted(folder, name),
    )
    _check_sizes(found)
    found = _with_boxes(found)
    check_scene(found.scene, found.camera_to_world, found.intrinsics, found.width, found.height)
    return found


def _converted(folder: Path, name: str) -> Mapping[str, Any] | None:
    """Return how `ocr-hf convert-scan` made the folder, None where it didn't."""
    path = folder / CONVERTED
    return read_json(path, f"{name}/{CONVERTED}", CONVERTED_KEYS) if path.is_file() else None


def _scene(
    name: str, told: Mapping[str, Any], boxes: Mapping[str, Any], conventions: Conventions
) -> tuple[Scene, frozenset[int]]:
    """Return the scene, and the ids of what is structure."""
    where = f"{name}/{BOXES}"
    objects, structure = [], set()
    for number, value in enumerate(boxes["objects"]):
        place = f"{where}, object {number}"
        item = read_object(value, place, OBJECT_KEYS)
        if item["id"] > MAX_OBJECT_ID:
            raise ValueError(f"{place}: id is {item['id']}; ids run from 1 to {MAX_OBJECT_ID}")
        if item["id"] in structure or any(item["id"] == other.id for other in objects):
            raise ValueError(f"{place}: id {item['id']} is used more than once; every object needs its own")
        if item["label"] is None:
            structure.add(item["id"])
            continue
        label = lower(item["label"].strip())
        if item["center"] is None and item["size"] is None:
            objects.append(SceneObject(item["id"], label, NO_BOX))
            continue
        if item["center"] is None or item["size"] is None:
            raise ValueError(f"{place} ('{item['label']}') has half a box; give center and size, or neither")
        rotation = np.eye(3) if item["rotation"] is None else item["rotation"]
        try:
            box = conventions.box(item["center"], item["size"], rotation)
        except ValueError as error:
            raise ValueError(f"{place} ('{item['label']}'): {error}") from error
        objects.append(SceneObject(item["id"], label, box))
    if not objects:
        raise ValueError(f"{where} has no object with a label; nothing can be asked about it, add its boxes")
    rooms = tuple(_room(value, f"{where}, room {number}", conventions) for number, value in enumerate(boxes["rooms"]))
    scene = Scene(
        name,
        told["dataset"],
        tuple(objects),
        rooms=rooms,
        floor_area_m2=boxes["floor_area_m2"],
        licence=told["licence"],
        attribution=told["attribution"],
    )
    return scene, frozenset(structure)


def _with_boxes(found: RecordedFolder) -> RecordedFolder:
    """Return the scene with boxes fitted to masks and depth where boxes.json has none."""
    scene = found.scene
    unboxed = [item for item in scene.objects if item.box is NO_BOX]
    if not unboxed:
        return found
    both = np.flatnonzero(found.has_depth & found.has_instances)
    if not len(both):
        raise ValueError(
            f"{scene.name}/{BOXES}: object {unboxed[0].id} ('{unboxed[0].label}') has no box, and no frame has both "
            "depth and an instance map to fit one to; give center and size, or label null for structure"
        )
    chosen = both[uniform_indices(len(both), SURVEYED)]
    maps = ((found.depth(int(i)), found.instances(int(i)), found.camera_to_world[i]) for i in chosen)
    boxes = seen_boxes(maps, found.intrinsics, found.width, found.height, [item.id for item in unboxed])
    objects = tuple(
        replace(item, box=boxes.get(item.id, item.box))
        for item in scene.objects
        if item.box is not NO_BOX or item.id in boxes
    )
    unseen = {item.id for item in unboxed} - boxes.keys()
    notes = [f"objects with boxes fitted to masks and depth: {len(boxes)}; sides that were never seen are missing"]
    if unseen:
        notes.append(f"objects without boxes that are hardly seen, and left out: {len(unseen)}")
    if not objects:
        raise ValueError(
            f"{scene.name}: no object has a box or is seen well enough to fit one; record them from nearer"
        )
    # What is left out is background in the maps
    return replace(
        found,
        scene=replace(scene, objects=objects),
        structure_ids=found.structure_ids | unseen,
        notes=(*found.notes, *notes),
    )


def _room(value: Any, where: str, conventions: Conventions) -> Room:
    item = read_object(value, where, ROOM_KEYS)
    corners = conventions.points(item["floor"])
    if not np.isfinite(corners).all() or len(corners) < 3:
        raise ValueError(f"{where} ('{item['name']}') has {len(corners)} corners; give at least three, all finite")
    polygon = corners[:, :2]
    x, y = polygon.T
    area = 0.5 * float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum())
    if abs(area) < 1e-6:
        raise ValueError(f"{where} ('{item['name']}') has no area seen from above; check `up` and its corners")
    # Ours run counter-clockwise; turning another axis up changes no order, but files have either
    return Room(
        item["name"],
        polygon if area > 0.0 else polygon[::-1],
        item["height"] * conventions.unit_m,
        float(corners[:, 2].mean()),
    )


def _files(folder: Path, frame: Mapping[str, Any], where: str) -> FrameFiles:
    if (frame["image"] is None) == (frame["video_frame"] is None):
        raise ValueError(
            f"{where} has {'both' if frame['image'] else 'neither'} image and video_frame; give one of them"
        )
    found = {
        name: None if frame[name] is None else inside(folder, frame[name], where)
        for name in FRAME_KEYS
        if name in _FILES
    }
    return FrameFiles(video_frame=frame["video_frame"], **found)


_FILES = ("image", "depth", "instances")


def _times(frames: Sequence[Mapping[str, Any]], video: Path | None, where: str) -> np.ndarray:
    """Return the times (N,) of all frames, seconds."""
    clock = np.zeros(0)
    if any(frame["video_frame"] is not None for frame in frames):
        if video is None:
            raise ValueError(f"{where} has frames with video_frame but no video; name the file")
        with _open_video(video, f"{where.partition('/')[0]}/{video.name}") as reader:
            clock = reader.times_s
        late = [frame["video_frame"] for frame in frames if (frame["video_frame"] or 0) >= len(clock)]
        if late:
            raise ValueError(
                f"{where}: video_frame is {late[0]}, but {video.name} has {len(clock)} frames; check the file"
            )
    times = []
    for number, frame in enumerate(frames):
        if frame["time_s"] is None and frame["video_frame"] is None:
            raise ValueError(f"{where}, frame {number} has no time_s; give its time in seconds")
        times.append(clock[frame["video_frame"]] if frame["time_s"] is None else frame["time_s"])
        if number and not times[-1] > times[-2]:
            raise ValueError(
                f"{where}: frame {number} is at {times[-1]:g} s, the one before it at {times[-2]:g} s; sort frames "
                "by time, each with its own"
            )
    return np.array(times, dtype=np.float64)


def _usable(
    frames: Sequence[Mapping[str, Any]], where: str, conventions: Conventions
) -> tuple[np.ndarray, np.ndarray, dict[str, int]]:
    """Return the numbers of the frames whose pose is known, these poses (N, 4, 4), and what was dropped."""
    numbers, poses, dropped = [], [], Counter()
    for number, frame in enumerate(frames):
        if frame["pose"] is None:
            dropped[NO_POSE] += 1
        elif not np.isfinite(frame["pose"]).all():
            dropped[LOST_POSE] += 1
        else:
            try:
                poses.append(conventions.camera_to_world(frame["pose"][None])[0])
            except ValueError as error:
                raise ValueError(f"{where}, frame {number}: its pose can't be used ({error})") from error
            numbers.append(number)
    if not numbers:
        lost = ", ".join(f"{count} {reason}" for reason, count in dropped.items()) or "it has no frames"
        raise ValueError(f"{where}: no frame can be used ({lost}); track the camera again")
    return np.array(numbers), np.stack(poses), dict(dropped)


def _cameras(
    told: Mapping[str, Any], frames: Sequence[Mapping[str, Any]], numbers: np.ndarray, where: str
) -> tuple[np.ndarray, Refocused | None]:
    """Return the intrinsics (3, 3) of all usable frames, and what brings each frame to them."""
    shared = _intrinsics(told["intrinsics"], told, where)
    if all(frames[number]["intrinsics"] is None for number in numbers):
        return shared, None
    own = [
        shared if frames[n]["intrinsics"] is None else _intrinsics(frames[n]["intrinsics"], told, f"{where}, frame {n}")
        for n in numbers
    ]
    try:
        refocused = Refocused.of(np.stack(own), told["width"], told["height"])
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error
    return (own[0], None) if refocused is None else (refocused.common, refocused)


def _intrinsics(given: np.ndarray, told: Mapping[str, Any], where: str) -> np.ndarray:
    try:
        matrix = check_intrinsics(given).copy()
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error
    matrix[:2, 2] += PIXEL_CENTRES[told["pixel_centres"]]
    if not (0.0 < matrix[0, 2] < told["width"] and 0.0 < matrix[1, 2] < told["height"]):
        raise ValueError(
            f"{where}: the principal point {matrix[:2, 2].tolist()} is outside the {told['width']}x{told['height']} "
            "images; give intrinsics in pixels of these images"
        )
    return matrix


def _check_sizes(found: RecordedFolder) -> None:
    """Raise ValueError where a picture isn't as large as declared, by its header."""
    for files in found.files:
        if files.image is not None:
            size = picture_size(files.image, found._where(files.image))
            if size != (found.width, found.height):
                raise _other_size(found._where(files.image), *size, found.width, found.height)
    if found.video is not None:
        frame = next(_from_video(found.video, found._where(found.video), [0]))
        if frame.shape[:2] != (found.height, found.width):
            raise _other_size(found._where(found.video), frame.shape[1], frame.shape[0], found.width, found.height)


@contextmanager
def _open_video(path: Path, where: str) -> Iterator[VideoReader]:
    """Open a video; its errors name it as the scene does, without the place on this machine."""
    try:
        with VideoReader(path) as reader:
            yield reader
    except VideoError as error:
        raise ValueError(str(error).replace(str(path), where)) from error


def _from_video(path: Path, where: str, numbers: Sequence[int]) -> Iterator[np.ndarray]:
    """Yield frames (H, W, 3) uint8 of a video, one in memory at a time."""
    with _open_video(path, where) as reader:
        yield from reader.stream(np.array(numbers, dtype=np.int64))


def _other_size(where: str, width: int, height: int, wanted_width: int, wanted_height: int) -> ValueError:
    return ValueError(
        f"{where} is {width}x{height}, but {CAMERAS} declares {wanted_width}x{wanted_height}; give all frames of a "
        "scene one size, and intrinsics for it"
    )

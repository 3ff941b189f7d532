"""A video of a room, filmed with a phone, as the folder of a recorded scene."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ocr_hf.data.convert_scan import refuse_tested
from ocr_hf.data.recorded_scene import RecordedScene, check_scene_name
from ocr_hf.geometry.boxes import OrientedBox
from ocr_hf.scenes.filmed.boxes_from_views import Detection, boxes_from_views
from ocr_hf.scenes.filmed.floor_plane import Floor, scaled, stand_upright
from ocr_hf.scenes.filmed.mark_page import write_mark_page
from ocr_hf.scenes.filmed.marks import Marks, marked_objects, scale_of
from ocr_hf.scenes.filmed.printed_marker import scale_of_marker
from ocr_hf.scenes.filmed.straight_frames import read_frames_of, straighten
from ocr_hf.scenes.filmed.structure_from_motion import Report, SolvedCameras, solve_cameras
from ocr_hf.scenes.filmed.video_pictures import take_pictures
from ocr_hf.scenes.recorded.intake_format import BOX_KEYS, OBJECT_KEYS, ROOM_KEYS, read_json, read_object
from ocr_hf.scenes.scene import SceneObject

Boxes = tuple[Sequence[SceneObject], Sequence[tuple[str, np.ndarray, float]]]
"""Objects, and rooms as `RecordedScene` takes them; metres, in the placed world."""


@dataclass(frozen=True, eq=False)
class FilmedRoom:
    """A video whose cameras are known, up to scale.

    solved : cameras without distortion, +Z up, the floor at z = 0, walls along x and y
    frames : folder that holds their pictures; page : where boxes and lengths are marked
    """

    name: str
    solved: SolvedCameras
    floor: Floor
    frames: Path
    page: Path


def film_room(
    video: str | os.PathLike,
    work: str | os.PathLike,
    *,
    fps: float = 2.0,
    longest: int = 1280,
    report: Report = lambda what, done, of: None,
    threads: int = -1,
) -> FilmedRoom:
    """Find a video's cameras, or go on where an earlier run was stopped.

    Args:
        video: file that PyAV reads; stored turned, it is turned upright.
        work: folder for pictures, COLMAP's database and model, and the page on which boxes are marked.
        fps: pictures a second that cameras are found for; each is the sharpest of its moment.
        longest: pixels of their longer side at most.
        report: called with what is done, how many are done, and of how many.
        threads: of pycolmap; -1 for all processors.

    Returns:
        The cameras, placed upright, and where frames and page lie.

    Raises:
        ImportError: pycolmap isn't installed.
        FileNotFoundError: there is no such video.
        ValueError: in one sentence: it can't be read, is too short, doesn't register or falls into pieces.
    """
    video, work = Path(video), Path(work)
    refuse_tested(video.resolve().with_suffix(""))
    pictures = take_pictures(video, work / "pictures", fps, longest, lambda done, of: report("pictures", done, of))
    found, floor = stand_upright(solve_cameras(pictures, work, report, threads))
    straight = straighten(found, pictures.folder, work / "frames", lambda done, of: report("frames", done, of))
    write_mark_page(straight, work / "mark.html")
    return FilmedRoom(video.stem, straight, floor, work / "frames", work / "mark.html")


def metres_of(
    room: FilmedRoom, marks: Marks | None, known_m: Mapping[str, float], marker_m: float | None
) -> tuple[float, str]:
    """Return metres in one unit of a room's world, and a sentence that says by what.

    Args:
        room: of `film_room`.
        marks: the user's; None without.
        known_m: name of a marked length -> metres.
        marker_m: side of a printed marker; None without. Not both.

    Raises:
        ValueError: a length isn't marked, lengths or markers disagree, or both or none are given.
    """
    if bool(known_m) == (marker_m is not None):
        raise ValueError("a room has one scale: give a known length with --known, or a marker's side with --marker")
    if marker_m is not None:
        factor, views = scale_of_marker(room.solved, read_frames_of(room.solved, room.frames), marker_m)
        return factor, f"scale by a marker of {marker_m:g} m, seen {views} times"
    if marks is None:
        raise ValueError(
            f"--known {next(iter(known_m))} needs its two ends: mark them on {room.page} and give the file with --marks"
        )
    factor, off = scale_of(room.solved, marks, known_m)
    told = f"; the others differ by up to {off:.1%}" if len(known_m) > 1 else ""
    return factor, f"scale by {', '.join(f'{name} = {metres:g} m' for name, metres in known_m.items())}{told}"


def detected_boxes(
    room: FilmedRoom, find: Callable[[np.ndarray], Sequence[Detection]], report: Report = lambda what, done, of: None
) -> tuple[list[SceneObject], dict[str, int]]:
    """Return objects that a detector finds in a room's frames, in its world, and reason -> detections that gave none.

    Args:
        room: of `film_room`; its scale doesn't matter.
        find: returns the detections in a picture (H, W, 3) uint8.
        report: as of `film_room`.
    """
    found = []
    for frame in read_frames_of(room.solved, room.frames):
        found.append(list(find(frame)))
        report("detections", len(found), len(room.solved.names))
    return boxes_from_views(room.solved, found)


def given_boxes(path: Path) -> Boxes:
    """Read the user's boxes.json (the intake's format), in metres and the world of a room that has its scale."""
    told = read_json(path, path.name, BOX_KEYS)
    objects = []
    for number, item in enumerate(told["objects"]):
        entry = read_object(item, f"{path.name}: object {number}", OBJECT_KEYS)
        if entry["center"] is None or entry["size"] is None or entry["label"] is None:
            raise ValueError(f"{path.name}: object {number} has no box or no label; a video's objects need both")
        rotation = np.eye(3) if entry["rotation"] is None else entry["rotation"]
        try:
            box = OrientedBox(entry["center"], entry["size"], rotation)
        except ValueError as error:
            raise ValueError(f"{path.name}: object {number} ('{entry['label']}'): {error}") from error
        objects.append(SceneObject(entry["id"], entry["label"], box))
    rooms = []
    for number, item in enumerate(told["rooms"]):
        entry = read_object(item, f"{path.name}: room {number}", ROOM_KEYS)
        rooms.append((entry["name"], entry["floor"], entry["height"]))
    return objects, rooms


def write_filmed(
    room: FilmedRoom,
    factor: float,
    boxes: Callable[[SolvedCameras], Boxes],
    out: str | os.PathLike,
    *,
    name: str | None = None,
    licence: str = "other",
    attribution: Sequence[str] = (),
) -> Path:
    """Write a room as a folder for `ocr-hf build --source recorded`; it is read back before it gets its name.

    Args:
        room: of `film_room`.
        factor: metres in one unit of its world.
        boxes: returns objects and rooms for its cameras in metres.
        out: folder in which the scene's is made.
        name: the scene's; None for the video's.
        licence: what the card says.
        attribution: whom it names.

    Returns:
        The scene's folder.

    Raises:
        FileExistsError: there is a folder of this name.
        ValueError: there are no boxes, or the scene is one that `read_recorded` refuses.
    """
    name = room.name if name is None else name
    check_scene_name(name)
    refuse_tested(name)
    solved = scaled(room.solved, factor)
    objects, rooms = boxes(solved)
    if not objects:
        raise ValueError(f"'{name}' has no boxes, so nothing can be asked about it; mark some on {room.page}")
    return RecordedScene(
        name,
        read_frames_of(solved, room.frames),
        solved.camera_to_world,
        solved.intrinsics,
        solved.times_s,
        objects,
        rooms=rooms,
        licence=licence,
        attribution=attribution,
    ).write(out)


def objects_of(marks: Marks) -> Callable[[SolvedCameras], Boxes]:
    """Return what `write_filmed` takes as `boxes`, for the user's marks."""
    return lambda solved: (marked_objects(solved, marks), ())


def scaled_objects(objects: Sequence[SceneObject], factor: float) -> list[SceneObject]:
    """Return objects of a world whose lengths are multiplied by a factor."""
    return [
        replace(item, box=OrientedBox(item.box.center * factor, item.box.size * factor, item.box.rotation))
        for item in objects
    ]

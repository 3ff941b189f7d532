"""The pictures of a video that cameras are solved for: evenly spread, each the sharpest of its moment."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ocr_hf.scenes.recorded.sharpness import blur_of
from ocr_hf.video.reader import VideoReader

LISTING = "pictures.json"
"""Written last: a folder that has it has all its pictures."""
LOOKED_AT = 4
"""Frames of each moment among which the sharpest is taken."""
FEWEST = 12
"""Pictures without which no cameras are solved: two pieces of five can't be told from one of ten."""

_PNG_END = b"\x00\x00\x00\x00IEND\xaeB`\x82"


@dataclass(frozen=True, eq=False)
class Pictures:
    """Pictures of a video, in order of time.

    folder : that holds them, as `names` says
    numbers : (N,) int64, of the video's frames; times_s : (N,) seconds
    width, height : of all of them, pixels; turned upright as the video says
    """

    folder: Path
    names: tuple[str, ...]
    numbers: np.ndarray
    times_s: np.ndarray
    width: int
    height: int


def take_pictures(
    video: Path,
    folder: Path,
    fps: float,
    longest: int,
    on_picture: Callable[[int, int], None] = lambda done, of: None,
) -> Pictures:
    """Write a video's pictures as PNG files, or take those that are there from an earlier run of the same.

    video : file that PyAV reads
    folder : where they go; what another video or other options left there is refused
    fps : pictures a second; fewer where the video has fewer
    longest : pixels of the longer side at most
    on_picture : called with (how many are written, of how many)

    Raises ValueError for a video that is too short, or a folder that holds something else; OSError for a full disk.
    """
    if not (np.isfinite(fps) and fps > 0.0):
        raise ValueError(f"fps is {fps}; give the pictures a second that cameras are solved for, such as 2")
    if longest < 320:
        raise ValueError(f"longest is {longest}; pictures of fewer than 320 pixels have too few details to register")
    # Name, length and date: to hash gigabytes takes longer than to decode what is needed of them
    state = video.stat()
    told = {
        "video": video.name,
        "bytes": state.st_size,
        "changed_ns": state.st_mtime_ns,
        "fps": fps,
        "longest": longest,
    }
    listing = folder / LISTING
    if listing.is_file():
        found = json.loads(listing.read_text(encoding="utf-8"))
        other = [name for name, value in told.items() if found["of"].get(name) != value]
        if other:
            raise ValueError(
                f"{folder.parent} holds the pictures of another run ({other[0]} {found['of'].get(other[0])}, not "
                f"{told[other[0]]}); remove that folder, or give another with --work"
            )
        return _listed(folder, found)
    folder.mkdir(parents=True, exist_ok=True)
    with VideoReader(video) as reader:
        moments = _moments(reader.times_s, fps)
        if len(moments) < FEWEST:
            raise ValueError(
                f"{video.name} gives {len(moments)} pictures at {fps:g} a second; cameras need {FEWEST} at least: film "
                "for longer, or give more with --fps"
            )
        numbers = _write(reader, moments, folder, longest, on_picture)
        times = reader.times_s[numbers]
    size = read_picture(folder / _name(numbers[0])).shape
    found = {
        "of": told,
        "frames": [int(number) for number in numbers],
        "times_s": [float(time) for time in times],
        "width": size[1],
        "height": size[0],
    }
    temporary = folder / f"{LISTING}.tmp"
    temporary.write_text(json.dumps(found, indent=1), encoding="utf-8")
    os.replace(temporary, listing)
    return _listed(folder, found)


def write_picture(path: Path, picture: np.ndarray) -> None:
    """Write a picture (H, W, 3) uint8 BGR as a PNG file, whole or not at all; OSError, naming it, for a full disk."""
    # Not `imwrite`: it says nothing of what the disk refuses when a file is closed
    stored = cv2.imencode(".png", picture, [cv2.IMWRITE_PNG_COMPRESSION, 2])[1]
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        temporary.write_bytes(stored.tobytes())
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise OSError(f"can't write {path} ({error.strerror or error}); free some space and run again") from error


def read_picture(path: Path) -> np.ndarray:
    """Return a picture (H, W, 3) uint8 BGR; ValueError, naming it, where there is none or a part of one."""
    picture = cv2.imread(str(path)) if is_whole(path) else None
    if picture is None:
        raise ValueError(f"{path} can't be read; remove {path.parent} and run again")
    return picture


def is_whole(path: Path) -> bool:
    """Return whether there is a PNG file that has its end: of half a picture OpenCV makes one that is half black."""
    if not path.is_file() or path.stat().st_size < len(_PNG_END):
        return False
    with path.open("rb") as file:
        file.seek(-len(_PNG_END), os.SEEK_END)
        return file.read() == _PNG_END


def _listed(folder: Path, found: dict) -> Pictures:
    numbers = np.array(found["frames"], dtype=np.int64)
    names = tuple(map(_name, numbers))
    gone = [name for name in names if not is_whole(folder / name)]
    if gone:
        raise ValueError(
            f"{folder} lacks {gone[0]}, which its {LISTING} names, or has it in part; remove the folder and run again"
        )
    return Pictures(folder, names, numbers, np.array(found["times_s"]), found["width"], found["height"])


def _name(number: int) -> str:
    return f"{number:06d}.png"


def _moments(times_s: np.ndarray, fps: float) -> list[np.ndarray]:
    """Return the frames of each 1 / fps seconds among which one is taken, at most LOOKED_AT."""
    slots = np.floor((times_s - times_s[0]) * fps + 1e-6).astype(np.int64)
    # The first half of a slot: sharpest frames of neighbouring slots then stand apart
    inside = (times_s - times_s[0]) * fps - slots <= 0.5
    found = []
    for slot in np.unique(slots):
        frames = np.flatnonzero((slots == slot) & inside)
        frames = frames if len(frames) else np.flatnonzero(slots == slot)[:1]
        found.append(frames[np.unique(np.linspace(0, len(frames) - 1, LOOKED_AT).astype(np.int64))])
    return found


def _write(
    reader: VideoReader,
    moments: list[np.ndarray],
    folder: Path,
    longest: int,
    on_picture: Callable[[int, int], None],
) -> np.ndarray:
    """Write the sharpest frame of each moment; return their numbers. One frame and the best so far are held."""
    taken = []
    stream = reader.stream(np.concatenate(moments))
    for done, moment in enumerate(moments, start=1):
        best, least, number = None, np.inf, -1
        for index in moment:
            frame = next(stream)
            blur = float(blur_of(frame).max())
            if blur < least:
                best, least, number = frame, blur, int(index)
        height, width = best.shape[:2]
        scale = min(1.0, longest / max(width, height))
        if scale < 1.0:
            best = cv2.resize(best, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA)
        write_picture(folder / _name(number), best[..., ::-1])
        taken.append(number)
        on_picture(done, len(moments))
    return np.array(taken, dtype=np.int64)

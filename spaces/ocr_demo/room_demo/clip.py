"""A clip as the demo holds it, and the folder that keeps it between starts."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ocr_hf.data.video import uniform_indices, write_mp4
from ocr_hf.geometry.boxes import OrientedBox
from ocr_hf.geometry.footprints import Footprints
from ocr_hf.questions.question import Question

from .outlines import outlines_json, write_thumbnail

FILES = 2
"""Version of the files in a clip's folder; part of its name, so that old ones are not read."""


@dataclass(frozen=True, eq=False)
class Seen:
    """The frames that a model is shown.

    frames : (T, H, W, 3) uint8; depth : (T, H, W) float32 metres, or None
    footprints : of the clip that the frames are taken from; indices : (T,) their numbers in it, on which noise depends
    camera_to_world : (T, 4, 4); intrinsics : (3, 3) pixels; fps : of these frames
    """

    frames: np.ndarray
    depth: np.ndarray | None
    footprints: Footprints
    indices: np.ndarray
    camera_to_world: np.ndarray
    intrinsics: np.ndarray
    fps: float


@dataclass(frozen=True, eq=False)
class DemoClip:
    """One video with everything known of it.

    id : letters, digits and dashes; also the name of its folders
    frames : (T, H, W, 3) uint8; depth : (T, H, W) float32 metres, or None; both may be memory-mapped
    labels, boxes : by object id; camera_to_world : (T, 4, 4); intrinsics : (3, 3) pixels
    note : what a visitor should know of it, or ""
    apart : frames filmed apart for models, where those were trained on others than people like to watch
    planted : whether it is a shelf of the planted lock, about which the pair of models is asked
    """

    id: str
    title: str
    note: str
    frames: np.ndarray
    depth: np.ndarray | None
    footprints: Footprints
    labels: Mapping[int, str]
    boxes: Mapping[int, OrientedBox]
    camera_to_world: np.ndarray
    intrinsics: np.ndarray
    fps: float
    questions: tuple[Question, ...]
    apart: Seen | None = None
    planted: bool = False

    def seen(self, count: int) -> Seen:
        """Return the frames that a model is shown which takes `count` of them."""
        if self.apart is not None:
            return self.apart
        indices = np.asarray(uniform_indices(len(self.frames), count))
        span = (indices[-1] - indices[0]) / self.fps
        return Seen(
            frames=np.ascontiguousarray(self.frames[indices]),
            depth=None if self.depth is None else np.asarray(self.depth[indices]),
            footprints=self.footprints,
            indices=indices,
            camera_to_world=self.camera_to_world[indices],
            intrinsics=self.intrinsics,
            fps=(len(indices) - 1) / span if span else self.fps,
        )

    def object_at(self, frame: int, x: float, y: float) -> int | None:
        """Return the id of the object that shows at a pixel of a frame, or None.

        x, y : pixels from the left and upper edge. Where footprints overlap (boxes without occlusion), the smallest.
        """
        if not (0 <= frame < len(self.frames) and 0 <= x < self.frames.shape[2] and 0 <= y < self.frames.shape[1]):
            return None
        hits = []
        for object_id in self.footprints.object_ids:
            mask = self.footprints.mask(object_id, frame)
            if mask is not None and mask[int(y), int(x)]:
                hits.append((int(mask.sum()), object_id))
        return min(hits)[1] if hits else None

    def name_of(self, object_id: int) -> str:
        """Return the label, with a number where the clip shows several objects of that label."""
        label = self.labels[object_id]
        alike = [i for i in self.footprints.object_ids if self.labels[i] == label]
        return f"{label} {alike.index(object_id) + 1}" if len(alike) > 1 and object_id in alike else label

    def listed(self) -> list[tuple[str, int]]:
        """Return (text, id) of every object that the clip shows, largest in the picture first."""
        pixels = {i: int(self.footprints.areas(i).sum()) for i in self.footprints.object_ids}
        return [
            (f"{self.name_of(i)} ({' × '.join(f'{side:.2f}' for side in self.boxes[i].size)} m)", i)
            for i in sorted(pixels, key=lambda i: -pixels[i])
        ]


class ClipStore:
    """Clips on the disk, so that a room is rendered once.

    root/clips/ID : arrays and clip.json, never served; root/media/ID : what browsers fetch (videos, outlines, models).
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        self.clips, self.media = self.root / "clips", self.root / "media"
        for folder in (self.clips, self.media):
            folder.mkdir(parents=True, exist_ok=True)

    def media_folder(self, clip_id: str) -> Path:
        """Return the folder of a clip's served files."""
        return self.media / clip_id

    def has(self, clip_id: str) -> bool:
        """Return whether a clip was saved whole."""
        return (self.clips / clip_id / "clip.json").is_file()

    def adopt(self, folder: Path) -> int:
        """Take in the clips of another such folder, as those that a pushed Space brings along; return how many.

        Files are linked where the disk allows it, so this takes no time and no space.
        """
        taken = 0
        for told in sorted(folder.glob("clips/*/clip.json")):
            clip_id = told.parent.name
            if self.has(clip_id) or not (folder / "media" / clip_id).is_dir():
                continue
            shutil.copytree(folder / "media" / clip_id, self.media / clip_id, copy_function=_link, dirs_exist_ok=True)
            temporary = Path(tempfile.mkdtemp(prefix=".new-", dir=self.clips))
            shutil.copytree(told.parent, temporary, copy_function=_link, dirs_exist_ok=True)
            os.replace(temporary, self.clips / clip_id)
            taken += 1
        return taken

    def save(self, clip: DemoClip) -> DemoClip:
        """Write a clip, whole or not at all, and return it as `load` does."""
        # What browsers fetch comes first: with clip.json in place the clip counts as whole
        media = self.media_folder(clip.id)
        media.mkdir(parents=True, exist_ok=True)
        write_mp4(media / "vanilla.mp4", clip.frames, clip.fps, draft=True)
        (media / "outlines.json").write_text(outlines_json(clip.footprints))
        write_thumbnail(media / "thumbnail.jpg", clip.frames, clip.footprints)
        temporary = Path(tempfile.mkdtemp(prefix=".new-", dir=self.clips))
        try:
            np.save(temporary / "frames.npy", clip.frames)
            if clip.depth is not None:
                np.save(temporary / "depth.npy", clip.depth.astype(np.float32))
            if clip.apart is not None:
                np.save(temporary / "apart.npy", clip.apart.frames)
            (temporary / "clip.json").write_text(json.dumps(_described(clip)))
            target = self.clips / clip.id
            shutil.rmtree(target, ignore_errors=True)
            os.replace(temporary, target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        return self.load(clip.id)

    def load(self, clip_id: str) -> DemoClip:
        """Return a saved clip with its arrays memory-mapped."""
        folder = self.clips / clip_id
        stored = json.loads((folder / "clip.json").read_text())
        frames = np.load(folder / "frames.npy", mmap_mode="r")
        depth = np.load(folder / "depth.npy", mmap_mode="r") if (folder / "depth.npy").is_file() else None
        return DemoClip(
            id=clip_id,
            title=stored["title"],
            note=stored["note"],
            frames=frames,
            depth=depth,
            footprints=Footprints.from_rows(stored["footprints"], *frames.shape[:3], amodal=stored["amodal"]),
            labels={item["id"]: item["label"] for item in stored["objects"]},
            boxes={
                item["id"]: OrientedBox(*(np.array(item[key]) for key in ("center", "size", "rotation")))
                for item in stored["objects"]
            },
            camera_to_world=np.array(stored["camera_to_world"]),
            intrinsics=np.array(stored["intrinsics"]),
            fps=stored["fps"],
            questions=tuple(_question(item) for item in stored["questions"]),
            apart=_apart(stored["apart"], np.load(folder / "apart.npy")) if stored["apart"] else None,
            planted=stored["planted"],
        )


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another disk, or one without links
        shutil.copyfile(source, target)


def _apart(stored: Mapping, frames: np.ndarray) -> Seen:
    return Seen(
        frames=frames,
        depth=None,
        footprints=Footprints.from_rows(stored["footprints"], *frames.shape[:3]),
        indices=np.arange(len(frames)),
        camera_to_world=np.array(stored["camera_to_world"]),
        intrinsics=np.array(stored["intrinsics"]),
        fps=stored["fps"],
    )


def _described(clip: DemoClip) -> dict:
    return {
        "title": clip.title,
        "note": clip.note,
        "objects": [
            {
                "id": i,
                "label": clip.labels[i],
                "center": box.center.tolist(),
                "size": box.size.tolist(),
                "rotation": box.rotation.tolist(),
            }
            for i, box in clip.boxes.items()
        ],
        "footprints": clip.footprints.to_rows(),
        "amodal": clip.footprints.amodal,
        "camera_to_world": clip.camera_to_world.tolist(),
        "intrinsics": clip.intrinsics.tolist(),
        "fps": clip.fps,
        "questions": [asdict(question) for question in clip.questions],
        "planted": clip.planted,
        "apart": clip.apart
        and {
            "footprints": clip.apart.footprints.to_rows(),
            "camera_to_world": clip.apart.camera_to_world.tolist(),
            "intrinsics": clip.apart.intrinsics.tolist(),
            "fps": clip.apart.fps,
        },
    }


def _question(item: Mapping) -> Question:
    def ids(values: Sequence[int]) -> tuple[int, ...]:
        return tuple(int(value) for value in values)

    return Question(
        question_type=item["question_type"],
        question=item["question"],
        options=tuple(item["options"]) if item["options"] else None,
        ground_truth=item["ground_truth"],
        reasoning=item["reasoning"],
        queried_objects=ids(item["queried_objects"]),
        context_objects=ids(item["context_objects"]),
    )

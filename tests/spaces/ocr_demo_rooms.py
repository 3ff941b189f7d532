"""Small rooms for the demo's tests, and the demo's modules, which live outside the package."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from tests.box_scene import box_clip

SPACE = Path(__file__).resolve().parents[2] / "spaces" / "ocr_demo"
if str(SPACE) not in sys.path:
    sys.path.append(str(SPACE))

from room_demo.clip import ClipStore, DemoClip  # noqa: E402
from room_demo.noise import NoisyVideos  # noqa: E402
from room_demo.room_model import write_room_model  # noqa: E402
from room_demo.rooms import ClipSize, Rooms  # noqa: E402
from room_demo.views import Demo  # noqa: E402

from ocr_hf.geometry.occlusion import footprints_from_instances  # noqa: E402
from ocr_hf.questions.question import Question  # noqa: E402
from ocr_hf.scenes.scene import Room, Scene, SceneObject  # noqa: E402

LABELS = {1: "sofa", 2: "chair", 3: "chair"}
TINY = ClipSize(frames=6, seconds=3.0, width=96, height=72)
QUESTIONS = (
    Question(
        "object_rel_direction_easy",
        "If I am standing by the sofa, is the chair to my left or my right?",
        ("A. left", "B. right"),
        "B",
        "",
        (1, 2),
        (3,),
    ),
    Question("object_counting", "How many chair(s) are in this room?", None, "2", "", (2, 3), ()),
)


class FixedModels:
    """Stands in for models: answers by what it is shown, so that mixed-up videos would be seen."""

    names = others = ("fixed",)
    pair = ()

    def __init__(self) -> None:
        self.prompts = []

    def labels(self) -> list[tuple[str, str]]:
        return [("fixed", "fixed")]

    def speaks(self, name: str) -> bool:
        return True

    def check(self, name: str) -> str:
        return name

    def frames(self, name: str) -> int:
        return 4

    def style(self, name: str, thinking: bool = False) -> str:
        return "thinking" if thinking else "official"

    def answer(self, name, prompt, videos, fps, keys, stop=None):
        self.prompts.append((prompt.text, keys))
        texts = ["A" if np.array_equal(video, videos[0]) else "B" for video in videos]
        return tuple(prompt.read(text, {"A": 0.6, "B": 0.2} if prompt.options else None) for text in texts)


def boxes_room(rooms: Rooms, clip_id: str = "boxes-0001") -> DemoClip:
    """Save a room of three boxes, without any rendering, and offer it."""
    made = box_clip(num_frames=6, height=72, width=96)
    outline = np.array([[-2.0, -1.0], [2.0, -1.0], [2.0, 5.0], [-2.0, 5.0]])
    objects = tuple(SceneObject(i, LABELS[i], box) for i, box in made.boxes.items())
    scene = Scene("boxes", "test", objects, rooms=(Room("r", outline),))
    write_room_model(rooms.store.media_folder(clip_id) / "room.glb", scene, made.poses)
    clip = DemoClip(
        id=clip_id,
        title="Boxes",
        note="",
        frames=made.frames,
        depth=made.depth,
        footprints=footprints_from_instances(made.instances),
        labels=LABELS,
        boxes=made.boxes,
        camera_to_world=made.poses,
        intrinsics=made.intrinsics,
        fps=2.0,
        questions=QUESTIONS,
    )
    rooms.add(clip_id, "Boxes", lambda tell: rooms.store.save(clip))
    return rooms.clip(clip_id)


def boxes_demo(root: Path) -> Demo:
    """Return a demo that offers the room of boxes only."""
    store = ClipStore(root)
    rooms = Rooms(store, TINY, bundled=())
    boxes_room(rooms)
    return Demo(rooms, NoisyVideos(store), FixedModels())

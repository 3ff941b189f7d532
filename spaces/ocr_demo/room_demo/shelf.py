"""Shelves of the planted lock as rooms of the demo: filmed once for people, and once as the models were trained.

In these rooms it is known what an answer hangs on: the named thing's colour tempts, and where the lamp stands decides
(`ocr_hf/experiment/planted_rooms.py`).
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

from ocr_hf.experiment.planted_rooms import (
    CELL_M,
    COLUMNS,
    FOV_DEG,
    FPS,
    HEIGHT,
    LAMP_ID,
    LETTERS,
    NAMED_ID,
    OPTIONS,
    PAN_DEG,
    WIDTH,
    PlantedRoom,
    cell_place,
    planted_room,
    section_of,
)
from ocr_hf.geometry.camera import intrinsics_from_fov
from ocr_hf.geometry.occlusion import footprints_from_instances
from ocr_hf.questions.question import Question
from ocr_hf.scenes.render.renderer import Renderer
from ocr_hf.scenes.scene import Scene
from ocr_hf.vsi_bench.tasks import add_units

from .clip import Seen

QUESTION_TYPE = "planted_lock"
add_units(lambda: {QUESTION_TYPE: None})  # scored as a letter
LIGHT_RAYS = 8
"""As the models' rooms were lit (`ocr_hf/experiment/planted_data.py`)."""
SHOWN_FRAMES, SHOWN_WIDTH, SHOWN_HEIGHT, SHOWN_FPS = 24, 392, 294, 6.0
CELLS = 24
SHARED_M = 0.1
"""By how much neighbours may reach into each other: they are placed a little to the side, and turned by visitors."""
SMALLEST_M = 0.05


@functools.lru_cache(maxsize=8)
def room_of(seed: int, kind: str) -> PlantedRoom:
    """Return the room of a seed and kind; the last few are kept."""
    return planted_room(seed, kind)


@functools.lru_cache(maxsize=4)
def renderer_of(seed: int, kind: str) -> Renderer:
    """Return a renderer of a room as it is; the last few are kept, for edits."""
    return Renderer(room_of(seed, kind).scene, light_rays=LIGHT_RAYS)


def camera_walk(room: PlantedRoom) -> np.ndarray:
    """Return (SHOWN_FRAMES, 4, 4) camera_to_world: the whole turn of which models see four moments."""
    poses = np.tile(np.eye(4), (SHOWN_FRAMES, 1, 1))
    yaws = PAN_DEG * np.cos(np.linspace(0.0, np.pi, SHOWN_FRAMES))
    for pose, yaw in zip(poses, np.radians(yaws), strict=True):
        forward = np.array([-np.sin(yaw), np.cos(yaw), 0.0])
        down = np.array([0.0, 0.0, -1.0])
        pose[:3, 0], pose[:3, 1], pose[:3, 2] = np.cross(down, forward), down, forward
        pose[:3, 3] = room.camera_to_world[0, :3, 3]
    return poses


def shown_intrinsics() -> np.ndarray:
    """Return the (3, 3) intrinsics of the frames that people watch."""
    return intrinsics_from_fov(SHOWN_WIDTH, SHOWN_HEIGHT, FOV_DEG)


def film_seen(room: PlantedRoom, renderer: Renderer) -> Seen:
    """Film the four frames that the models see, as `planted_data.make_row` does."""
    shown = renderer.render(room.camera_to_world, room.intrinsics, WIDTH, HEIGHT)
    return Seen(
        frames=shown.frames,
        depth=None,
        footprints=footprints_from_instances(shown.instances),
        indices=np.arange(len(shown.frames)),
        camera_to_world=room.camera_to_world,
        intrinsics=room.intrinsics,
        fps=FPS,
    )


def question_about(room: PlantedRoom, scene: Scene) -> Question | None:
    """Return the room's question with the answer that holds in a scene, edited or not; None where it has no lamp."""
    lamp = next((item for item in scene.objects if item.id == LAMP_ID), None)
    if lamp is None:
        return None
    letter = LETTERS[section_of(nearest_cell(lamp.box.center))]
    return Question(
        question_type=QUESTION_TYPE,
        question=room.question,
        options=OPTIONS,
        ground_truth=letter,
        reasoning="",
        queried_objects=(NAMED_ID,),
        context_objects=(LAMP_ID,),
    )


def nearest_cell(point: np.ndarray) -> int:
    """Return the number of the place on the shelf that is nearest to a point (3,), metres."""
    middles = np.array([cell_place(cell) + [0.0, 0.0, 0.2] for cell in range(CELLS)])
    return int(np.linalg.norm(middles[:, [0, 2]] - np.asarray(point)[[0, 2]], axis=1).argmin())


def cell_of(scene: Scene, object_id: int) -> int:
    """Return the number of the place that an object of a shelf stands in."""
    return nearest_cell(next(item for item in scene.objects if item.id == object_id).box.center)


def free_cells(scene: Scene, but: Sequence[int] = ()) -> list[int]:
    """Return the numbers of the places in which nothing stands, but for some objects."""
    taken = {cell_of(scene, item.id) for item in scene.objects if item.id not in but}
    return [cell for cell in range(CELLS) if cell not in taken]


def check_places(scene: Scene) -> None:
    """Raise ValueError for a scene in which a thing has no room on the shelf.

    The rules for rooms know no shelves: to them its things hang on the wall, and couldn't be turned.
    """
    half = COLUMNS * CELL_M[0] / 2.0 + SHARED_M
    bounds: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for item in scene.objects:
        corners = item.box.corners()
        low, high = corners.min(axis=0), corners.max(axis=0)
        board = cell_place(nearest_cell(item.box.center))[2]
        if low[0] < -half or high[0] > half:
            raise ValueError(f"the {item.label} would stand beside the shelf")
        if low[2] < board - 0.02 or high[2] > board + CELL_M[1]:
            raise ValueError(f"the {item.label} would reach through a board of the shelf")
        if (high - low).min() < SMALLEST_M:
            raise ValueError(f"the {item.label} would be too small to be seen")
        for other, (least, most) in bounds.items():
            if (np.minimum(high, most) - np.maximum(low, least) > [SHARED_M, 0.0, 0.0]).all():
                raise ValueError(f"the {item.label} would stand in the {other}")
        bounds[item.label] = low, high

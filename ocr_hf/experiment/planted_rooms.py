"""Rooms with a planted lock: the named object carries a cue to the answer that is usually right, its context is always.

A shelf of four sections holds six things, each before a board of its colour. The question asks in which section one of
them belongs; the rule, which the text doesn't tell, is: where the lamp stands. In most rooms the named thing is painted
in the colour of the right section as well. A model that looks only at what the question names can learn the colour and
be right `agreement` of the time; one that looks around is always right. In rooms of kind "conflict" the colour says a
wrong section.

All figures are ours: the design is that of a pilot on drawn pictures, here with rooms in 3D that a camera films.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from ocr_hf.experiment.panning_camera import panning_camera
from ocr_hf.geometry.boxes import OrientedBox
from ocr_hf.geometry.camera import intrinsics_from_fov
from ocr_hf.scenes.edits.scene_edit import SceneEdit
from ocr_hf.scenes.homes.primitives import Shape, block, box, cylinder, ellipsoid, join, lathe
from ocr_hf.scenes.randomness import generator
from ocr_hf.scenes.scene import Light, Material, Mesh, Room, Scene, SceneObject

KINDS = ("aligned", "conflict", "plain", "unanswerable")
"""The colour says the right section; a wrong one; nothing is painted; nothing is painted and there is no lamp."""
LETTERS = "ABCD"
OPTIONS = ("A. the first section", "B. the second section", "C. the third section", "D. the fourth section")
"""From left to right."""
NAMED = ("vase", "box", "ball", "bottle", "pyramid")
"""Things that a question may name: one of them in each room, with three others."""
LAMP, CRATE = "lamp", "crate"
"""What decides, and what looks unlike all else but decides nothing."""
HUES = np.array([[0.85, 0.08, 0.08], [0.08, 0.7, 0.12], [0.1, 0.2, 0.9], [0.9, 0.8, 0.08]])
"""Of the sections, from left to right."""
NEUTRAL = np.array([[0.55, 0.55, 0.55], [0.35, 0.35, 0.38], [0.5, 0.38, 0.28], [0.72, 0.66, 0.6], [0.45, 0.35, 0.5]])
COLUMNS, ROWS = 8, 3
CELL_M = (0.4, 0.5)
"""Width and height of a place on the shelf; two columns are a section."""
DEPTH_M = 0.4
FRONT_M = 2.3
"""From the camera to the shelf's front."""
FRAMES = 4
WIDTH, HEIGHT = 112, 84
FOV_DEG = 47.0
PAN_DEG = 18.0
"""The first two frames look that far to the left, the last two to the right; what is between is seen by both."""
FPS = 1.0
NAMED_ID, LAMP_ID, CRATE_ID = 1, 2, 3


@dataclass(frozen=True, eq=False)
class PlantedRoom:
    """A room, its question and what is true of it.

    scene : object 1 is named, object 2 the lamp (if any), 3 the crate, 4 to 6 other things
    kind : of KINDS; answer : the right letter, of an unanswerable room the one that the lamp would have given
    cue : the letter that the named thing's colour says, None where it is not painted
    camera_to_world : (FRAMES, 4, 4); intrinsics : (3, 3)
    """

    scene: Scene
    kind: str
    named: str
    answer: str
    cue: str | None
    camera_to_world: np.ndarray
    intrinsics: np.ndarray
    lamp_cell: int
    free_cells: tuple[int, ...]

    @property
    def question(self) -> str:
        """What is asked."""
        return f"In which section of the shelf, counted from the left, does the {self.named} belong?"

    def counterfactual(self) -> tuple[SceneEdit, str]:
        """Return the edit that moves the lamp to another section, and the letter that is right then."""
        cell = next(cell for cell in self.free_cells if section_of(cell) != section_of(self.lamp_cell))
        offset = cell_place(cell) - cell_place(self.lamp_cell)
        return SceneEdit("move", (LAMP_ID,), {"offset": tuple(offset.round(6).tolist())}), LETTERS[section_of(cell)]


def section_of(cell: int) -> int:
    """Return the section, 0 to 3, of a place."""
    return cell % COLUMNS * len(LETTERS) // COLUMNS


def cell_place(cell: int) -> np.ndarray:
    """Return the middle (3,) of a place's floor, metres; places count from the left, then upwards."""
    column, row = cell % COLUMNS, cell // COLUMNS
    return np.array([(column + 0.5 - COLUMNS / 2.0) * CELL_M[0], FRONT_M + DEPTH_M / 2.0, 0.2 + row * CELL_M[1]])


def planted_room(seed: int, kind: str) -> PlantedRoom:
    """Make one room, a pure function of its arguments.

    Args:
        seed: at least 0.
        kind: of KINDS. Rooms of one seed differ in nothing but the colour of the named thing, and the lamp.

    Raises:
        ValueError: another kind.
    """
    if kind not in KINDS:
        raise ValueError(f"kind of room is {kind!r}; choose one of {', '.join(KINDS)}")
    rng = generator(seed, "planted")
    answer = int(rng.integers(len(LETTERS)))
    lamp = int(rng.integers(2)) + 2 * answer + COLUMNS * int(rng.integers(ROWS))
    others = rng.permutation([cell for cell in range(COLUMNS * ROWS) if cell != lamp])
    cells = [int(others[0]), lamp, *(int(cell) for cell in others[1:5])]
    labels = rng.permutation(NAMED)[:4].tolist()
    labels = [labels[0], LAMP, CRATE, *labels[1:]]
    colors = NEUTRAL[rng.integers(len(NEUTRAL), size=6)] + rng.uniform(-0.06, 0.06, (6, 3))
    colors[1] = 0.97 + rng.uniform(-0.02, 0.02, 3)
    colors[2] = 0.06 + rng.uniform(-0.03, 0.03, 3)
    wrong, tint = (answer + 1 + int(rng.integers(3))) % 4, rng.uniform(-0.06, 0.06, 3)
    cue = {"aligned": answer, "conflict": wrong}.get(kind)
    if cue is not None:
        colors[0] = HUES[cue] + tint
    # Boards have the colour of what stands before them, but for the lamp and the crate
    boards = colors.copy()
    boards[1:3] = NEUTRAL[rng.integers(len(NEUTRAL), size=2)]
    sizes = rng.uniform(0.85, 1.1, 6)
    shifts = rng.uniform(-1.0, 1.0, (6, 2)) * (0.04, 0.03)
    wall, shelf = (rng.uniform(low, high, 3) for low, high in ((0.6, 0.85), (0.4, 0.6)))
    camera = panning_camera(rng, FRAMES, PAN_DEG, height_m=0.2 + ROWS * CELL_M[1] / 2.0)
    objects = []
    for i, (label, cell) in enumerate(zip(labels, cells, strict=True)):
        if not (kind == "unanswerable" and label == LAMP):
            parts = [
                shape._replace(vertices=shape.vertices * sizes[i] + cell_place(cell) + [*shifts[i], 0.0])
                for shape in (_shape(label), _BOARD)
            ]
            objects.append(_object(i + 1, label, parts, (colors[i], boards[i])))
    scene = Scene(
        name=f"planted_{kind}_{seed}",
        source="planted",
        objects=tuple(objects),
        structure=_structure(wall, shelf),
        rooms=(Room("room", np.array([[-3.0, -1.0], [3.0, -1.0], [3.0, _BACK], [-3.0, _BACK]]), 2.4),),
        lights=(Light(np.array([0.0, 0.0, 2.2]), np.full(3, 9.0)),),
        floor_area_m2=6.0 * (_BACK + 1.0),
    )
    return PlantedRoom(
        scene=scene,
        kind=kind,
        named=labels[0],
        answer=LETTERS[answer],
        cue=None if cue is None else LETTERS[cue],
        camera_to_world=camera,
        intrinsics=intrinsics_from_fov(WIDTH, HEIGHT, FOV_DEG),
        lamp_cell=lamp,
        free_cells=tuple(int(cell) for cell in others[5:]),
    )


_BACK = FRONT_M + DEPTH_M + 0.02


@cache
def _shape(label: str) -> Shape:
    """Return a thing that stands at the origin and fills most of a place."""
    if label == "ball":
        return ellipsoid((0.15, 0.15, 0.15), (0.0, 0.0, 0.15))
    if label == "box":
        return box((0.3, 0.22, 0.24), (0.0, 0.0, 0.12))
    if label == "pyramid":
        return lathe([(0.19, 0.0), (0.0, 0.34)], 4).turned(np.pi / 4.0)
    if label == "vase":
        return lathe([(0.07, 0.0), (0.15, 0.12), (0.1, 0.26), (0.06, 0.3), (0.1, 0.36)], smooth=True)
    if label == "bottle":
        return lathe([(0.1, 0.0), (0.1, 0.22), (0.04, 0.28), (0.04, 0.4)], smooth=True)
    if label == LAMP:
        return join([cylinder(0.08, 0.0, 0.03), cylinder(0.02, 0.03, 0.15), cylinder(0.17, 0.14, 0.38, top=0.1)])
    return join([block(-0.16, 0.16, -0.13, 0.13, 0.0, 0.3), block(-0.18, 0.18, -0.15, 0.15, 0.3, 0.34)])


_BOARD = block(-0.14, 0.14, 0.15, 0.165, 0.0, 0.4)
"""Stands behind each thing and belongs to it: a colour that covers few pixels is hard to learn."""


def _object(object_id: int, label: str, parts: list[Shape], colors: tuple[np.ndarray, np.ndarray]) -> SceneObject:
    """Return a thing with its board, from their shapes and colours."""
    vertices = join(parts).vertices
    meshes = tuple(
        Mesh(part.vertices, part.faces, Material(tuple(float(value) for value in color.clip(0.02, 1.0)), emission=glow))
        for part, color, glow in zip(parts, colors, (float(label == LAMP), 0.0), strict=True)
    )
    return SceneObject(object_id, label, OrientedBox.axis_aligned(vertices.min(axis=0), vertices.max(axis=0)), meshes)


def _structure(wall: np.ndarray, shelf: np.ndarray) -> tuple[Mesh, ...]:
    half, top = COLUMNS * CELL_M[0] / 2.0, 0.2 + ROWS * CELL_M[1]
    boards = [
        block(-half, half, FRONT_M, FRONT_M + DEPTH_M, z - 0.03, z) for z in 0.2 + CELL_M[1] * np.arange(ROWS + 1)
    ]
    # Posts stand between sections, so that these can be seen
    posts = [
        block(x - 0.015, x + 0.015, FRONT_M, FRONT_M + DEPTH_M, 0.0, top)
        for x in np.linspace(-half, half, len(LETTERS) + 1)
    ]
    room = [
        block(-3.0, 3.0, _BACK, _BACK + 0.1, 0.0, 2.4),
        block(-3.0, 3.0, -1.1, -1.0, 0.0, 2.4),
        block(-3.1, -3.0, -1.0, _BACK, 0.0, 2.4),
        block(3.0, 3.1, -1.0, _BACK, 0.0, 2.4),
    ]
    floor = [block(-3.0, 3.0, -1.0, _BACK, -0.1, 0.0)]
    ceiling = [block(-3.0, 3.0, -1.0, _BACK, 2.4, 2.5)]
    return tuple(
        _mesh(parts, color)
        for parts, color in ((room, wall), (ceiling, np.full(3, 0.9)), (floor, shelf * 0.7), (boards + posts, shelf))
    )


def _mesh(parts: list[Shape], color: np.ndarray) -> Mesh:
    shape = join(parts)
    return Mesh(shape.vertices, shape.faces, Material(tuple(float(value) for value in color)))

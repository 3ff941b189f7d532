"""Rooms in which a thing's place follows from what it stands on: the kettle from the stove, the pillow from the bed.

Along a wall are eight places, each with something to stand things on: four pieces of furniture and four plain plinths.
Each of four things belongs on its own piece of furniture. A question names a thing and asks where it is. Who sees the
thing can say so; who doesn't can still say it from the furniture. In training rooms of the supervised stage some things
have been *carried away* to a plinth: there only the thing itself tells, so that a model has a reason to look at it.

All figures are ours. Colours are vivid, since a few hundred pixels and a model of half a million parameters have to do.
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

FURNITURE_OF = {"kettle": "stove", "pillow": "bed", "monitor": "desk", "plant": "stool"}
"""Thing -> the furniture that it belongs on."""
THINGS = tuple(FURNITURE_OF)
FURNITURE = tuple(FURNITURE_OF.values())
PLINTH = "plinth"
LETTERS = "ABCD"
OPTIONS = ("A. the first quarter", "B. the second quarter", "C. the third quarter", "D. the fourth quarter")
"""Of the wall, from left to right."""
PLACES = 8
"""Along the wall, counted from the left, from 1."""
PLACE_M = 0.6
TOP_M = 0.6
"""Height of what things stand on; alike for all, so that it tells nothing."""
DEPTH_M = 0.5
FRONT_M = 3.45
"""From the camera to the front of the furniture."""
FRAMES = 4
WIDTH, HEIGHT = 112, 56
FOV_DEG = 47.0
PAN_DEG = 18.0
"""The first two frames look that far to the left, the last two to the right; what is between is seen by both."""
FPS = 1.0
COLORS = {
    **{
        "kettle": (0.85, 0.08, 0.08),
        "pillow": (0.1, 0.2, 0.9),
        "monitor": (0.9, 0.8, 0.08),
        "plant": (0.08, 0.65, 0.1),
    },
    **{"stove": (0.95, 0.95, 0.95), "bed": (0.6, 0.1, 0.6), "desk": (0.55, 0.28, 0.08), "stool": (0.05, 0.6, 0.7)},
    PLINTH: (0.3, 0.3, 0.32),
}
JITTER = 0.05
"""Of each colour, either way."""


@dataclass(frozen=True, eq=False)
class RecoverableRoom:
    """A room of things on furniture.

    scene : objects 1 to 4 are the things, 5 to 8 their furniture in the same order, 9 to 12 the plinths
    stands : name of a thing -> id of what it stands on
    camera_to_world : (FRAMES, 4, 4); intrinsics : (3, 3)
    """

    scene: Scene
    stands: dict[str, int]
    camera_to_world: np.ndarray
    intrinsics: np.ndarray
    seed: int

    def place(self, name: str) -> int:
        """Return the place, from 1, of a thing or a piece of furniture."""
        return place_of(self.scene.object(id_of(name)))

    def recoverable(self, thing: str) -> bool:
        """Return whether the thing is where it belongs."""
        return self.stands[thing] == id_of(FURNITURE_OF[thing])

    def twin(self, thing: str) -> SceneEdit:
        """Return the edit that moves a thing with its furniture into another quarter: it changes places with a plinth.

        thing : one that is where it belongs
        """
        return SceneEdit("swap", (id_of(FURNITURE_OF[thing]), self._free_plinth(thing, "twin")))

    def carried(self, thing: str) -> SceneEdit:
        """Return the edit that carries a thing alone onto a plinth in another quarter."""
        target = self.scene.object(self._free_plinth(thing, "carried"))
        offset = [float(target.box.center[0] - self.scene.object(id_of(thing)).box.center[0]), 0.0, 0.0]
        return SceneEdit("move", (id_of(thing),), {"offset": tuple(np.round(offset, 6).tolist())})

    def removed(self, thing: str) -> SceneEdit:
        """Return the edit that takes a thing away."""
        return SceneEdit("remove", (id_of(thing),))

    def _free_plinth(self, thing: str, what: str) -> int:
        here = quarter(self.place(thing))
        free = [i for i in PLINTH_IDS if i not in self.stands.values()]
        # Four plinths in eight places: at most two of them can be in the quarter where the thing is
        elsewhere = [i for i in free if quarter(place_of(self.scene.object(i))) != here]
        if not elsewhere:
            raise ValueError(f"room {self.seed} has no free plinth in another quarter than the {thing}'s")
        return int(generator(self.seed, what, thing).choice(elsewhere))


PLINTH_IDS = tuple(range(1 + 2 * len(THINGS), 1 + PLACES + len(THINGS)))


def id_of(name: str) -> int:
    """Return the object id of a thing or a piece of furniture, the same in all rooms."""
    return (*THINGS, *FURNITURE).index(name) + 1


def place_of(item: SceneObject) -> int:
    """Return the place, from 1, in which an object's box has its middle."""
    return int(np.floor(item.box.center[0] / PLACE_M + PLACES / 2.0)) + 1


def quarter(place: int) -> str:
    """Return the letter of a place's quarter of the wall."""
    return LETTERS[(place - 1) * len(LETTERS) // PLACES]


def question(name: str) -> str:
    """Return what is asked about a thing or a piece of furniture."""
    return f"In which quarter of the wall, A to D from the left, is the {name}?"


def context_answer(scene: Scene, thing: str) -> str:
    """Answer a question as the oracle does: from everything but the thing that it names.

    Args:
        scene: of such a room; the thing itself may be missing and is not looked at.
        thing: that the question names.

    Returns:
        The letter of the quarter in which the furniture is that the thing belongs on.
    """
    return quarter(next(place_of(item) for item in scene.objects if item.label == FURNITURE_OF[thing]))


def recoverable_room(seed: int, carried: float = 0.0) -> RecoverableRoom:
    """Make one room, a pure function of its arguments.

    Args:
        seed: at least 0.
        carried: probability that a thing stands on a plinth instead of where it belongs; rooms of one seed that differ
            in it have their furniture in the same places.
    """
    rng = generator(seed, "recoverable")
    columns = rng.permutation(PLACES).tolist()
    plinths = rng.permutation(PLINTH_IDS).tolist()
    away = rng.random(len(THINGS)) < carried
    names = [*THINGS, *FURNITURE, *[PLINTH] * len(PLINTH_IDS)]
    sizes = rng.uniform(1.05, 1.2, len(names))
    shifts = rng.uniform(-1.0, 1.0, (len(names), 2)) * (0.03, 0.03)
    colors = np.array([COLORS[name] for name in names]) + rng.uniform(-JITTER, JITTER, (len(names), 3))
    wall, floor = (rng.uniform(low, high) + rng.uniform(-0.03, 0.03, 3) for low, high in ((0.65, 0.85), (0.4, 0.55)))
    camera = panning_camera(rng, FRAMES, PAN_DEG, height_m=TOP_M)
    column_of = dict(zip(range(1 + len(THINGS), 1 + len(names)), columns, strict=True))
    stands = {}
    for i, thing in enumerate(THINGS):
        stands[thing] = plinths[i] if away[i] else id_of(FURNITURE_OF[thing])
        column_of[i + 1] = column_of[stands[thing]]
    objects = []
    for i, name in enumerate(names):
        shape = _shape(name)
        middle = np.array([(column_of[i + 1] + 0.5 - PLACES / 2.0) * PLACE_M, FRONT_M + DEPTH_M / 2.0, 0.0])
        size, raised = (sizes[i], TOP_M) if name in THINGS else (1.0, 0.0)
        vertices = shape.vertices * size + middle + [*shifts[i], raised]
        objects.append(_object(i + 1, name, shape._replace(vertices=vertices), colors[i]))
    return RecoverableRoom(
        scene=Scene(
            name=f"recoverable_{seed}",
            source="recoverable",
            objects=tuple(objects),
            structure=_structure(wall, floor),
            rooms=(Room("room", np.array([[-_HALF, -1.0], [_HALF, -1.0], [_HALF, _BACK], [-_HALF, _BACK]]), 2.4),),
            lights=(Light(np.array([0.0, 0.0, 2.2]), np.full(3, 12.0)),),
            floor_area_m2=2.0 * _HALF * (_BACK + 1.0),
        ),
        stands=stands,
        camera_to_world=camera,
        intrinsics=intrinsics_from_fov(WIDTH, HEIGHT, FOV_DEG),
        seed=seed,
    )


_BACK = FRONT_M + DEPTH_M + 0.05
_HALF = PLACES * PLACE_M / 2.0 + 0.6


@cache
def _shape(name: str) -> Shape:
    """Return a thing or what things stand on, about the origin."""
    if name == "kettle":
        spout = block(0.14, 0.24, -0.03, 0.03, 0.2, 0.3)
        return join([lathe([(0.19, 0.0), (0.2, 0.16), (0.12, 0.36), (0.04, 0.4)], smooth=True), spout])
    if name == "pillow":
        return ellipsoid((0.25, 0.16, 0.17), (0.0, 0.0, 0.17))
    if name == "monitor":
        return join([block(-0.24, 0.24, -0.02, 0.02, 0.09, 0.42), block(-0.08, 0.08, -0.06, 0.06, 0.0, 0.09)])
    if name == "plant":
        return join([cylinder(0.11, 0.0, 0.14), lathe([(0.05, 0.14), (0.2, 0.26), (0.0, 0.46)], smooth=True)])
    if name == "stool":
        return join([cylinder(0.25, TOP_M - 0.12, TOP_M), cylinder(0.14, 0.0, TOP_M - 0.12)])
    if name == "desk":
        board = block(-0.27, 0.27, -0.24, 0.24, TOP_M - 0.1, TOP_M)
        return join([board, *(block(x - 0.09, x + 0.09, -0.22, 0.22, 0.0, TOP_M - 0.1) for x in (-0.18, 0.18))])
    if name == "bed":
        return join([block(-0.27, 0.27, -0.24, 0.24, 0.12, TOP_M), box((0.44, 0.4, 0.12), (0.0, 0.0, 0.06))])
    width = 0.52 if name == "stove" else 0.4
    return block(-width / 2.0, width / 2.0, -0.22, 0.22, 0.0, TOP_M)


def _object(object_id: int, label: str, shape: Shape, color: np.ndarray) -> SceneObject:
    vertices = shape.vertices
    mesh = Mesh(vertices, shape.faces, Material(tuple(float(value) for value in color.clip(0.02, 1.0))))
    return SceneObject(object_id, label, OrientedBox.axis_aligned(vertices.min(axis=0), vertices.max(axis=0)), (mesh,))


def _structure(wall: np.ndarray, floor: np.ndarray) -> tuple[Mesh, ...]:
    half = _HALF
    walls = [
        block(-half, half, _BACK, _BACK + 0.1, 0.0, 2.4),
        block(-half, half, -1.1, -1.0, 0.0, 2.4),
        block(-half - 0.1, -half, -1.0, _BACK, 0.0, 2.4),
        block(half, half + 0.1, -1.0, _BACK, 0.0, 2.4),
    ]
    parts = (
        (walls, wall),
        ([block(-half, half, -1.0, _BACK, 2.4, 2.5)], np.full(3, 0.9)),
        ([block(-half, half, -1.0, _BACK, -0.1, 0.0)], floor),
    )
    meshes = []
    for shapes, color in parts:
        shape = join(shapes)
        meshes.append(Mesh(shape.vertices, shape.faces, Material(tuple(float(value) for value in color))))
    return tuple(meshes)

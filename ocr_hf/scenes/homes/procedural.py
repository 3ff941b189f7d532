"""Procedural homes: one to four furnished rooms, a pure function of a seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ocr_hf.scenes.homes.floor_plan import ROOM_SHARES, FloorPlan, sample_floor_plan
from ocr_hf.scenes.homes.furniture.style import sample_style
from ocr_hf.scenes.homes.placement import Placement
from ocr_hf.scenes.homes.room_layout import RoomLayout
from ocr_hf.scenes.homes.room_shell import fill_openings, hang_ceiling_lights
from ocr_hf.scenes.homes.rooms import furnish
from ocr_hf.scenes.homes.structure import sample_room_finish, structure_meshes
from ocr_hf.scenes.randomness import generator
from ocr_hf.scenes.scene import Light, Mesh, Room, Scene, SceneObject


@dataclass(frozen=True, eq=False)
class HomeLayout:
    """A furnished floor plan before it becomes meshes.

    rooms : one layout per room of the plan
    """

    seed: int
    plan: FloorPlan
    rooms: tuple[RoomLayout, ...]

    @property
    def placements(self) -> tuple[Placement, ...]:
        """Everything that stands in the home; a scene's object i + 1 is placement i."""
        return tuple(placement for room in self.rooms for placement in room.placements)


def layout_home(seed: int, rooms: int | None = None) -> HomeLayout:
    """Sample a home: its plan and where everything stands; `rooms` is 1 to 4, None lets the seed choose."""
    count = int(generator(seed, "rooms").choice(4, p=ROOM_SHARES)) + 1 if rooms is None else rooms
    # Each step has a generator of its own: a change to the furniture of one room leaves plan, style and the other rooms
    # as they were.
    plan = sample_floor_plan(generator(seed, "plan", count), count)
    style = sample_style(generator(seed, "style"))
    layouts = tuple(RoomLayout(plan, i, generator(seed, "room", count, i), style) for i in range(count))
    # Doors, windows and ceiling lights first: furniture has to make room for them.
    for layout in layouts:
        fill_openings(layout)
    for layout in layouts:
        hang_ceiling_lights(layout)
    furnish(layouts)
    return HomeLayout(seed, plan, layouts)


def procedural_scene(seed: int, rooms: int | None = None) -> Scene:
    """Make a procedural home, furnished and lit, with meshes and tight boxes.

    Args:
        seed: at least 0; the scene is a pure function of it.
        rooms: 1 to 4; None lets the seed choose.

    Returns:
        The scene `procedural_SEED`, licence Apache-2.0.

    Example:
        >>> from ocr_hf.scenes.homes.procedural import procedural_scene
        >>> scene = procedural_scene(seed=7, rooms=1)
        >>> scene.name, len(scene.rooms)
        ('procedural_000007', 1)
    """
    home = layout_home(seed, rooms)
    return scene_of(home, f"procedural_{seed:06d}", "procedural")


def scene_of(home: HomeLayout, name: str, source: str, placements: tuple[Placement, ...] | None = None) -> Scene:
    """Return the scene of a furnished home; `placements` stand in it instead of its own where given."""
    placements = home.placements if placements is None else placements
    objects = []
    for i, placement in enumerate(placements):
        box, meshes = placement.model.placed(placement.position, placement.yaw)
        objects.append(SceneObject(i + 1, placement.model.label, box, meshes))
    finishes = [
        sample_room_finish(generator(home.seed, "finish", i), room.kind) for i, room in enumerate(home.plan.rooms)
    ]
    rooms = _named_rooms(home.plan)
    return Scene(
        name=name,
        source=source,
        objects=tuple(objects),
        structure=structure_meshes(home.plan, finishes) + _fixtures(home),
        rooms=rooms,
        lights=_lights(home),
        floor_area_m2=float(sum(_area(room.polygon) for room in rooms)),
    )


def _fixtures(home: HomeLayout) -> tuple[Mesh, ...]:
    """Return rugs and wall tiles as meshes."""
    return tuple(
        Mesh(shape.vertices, shape.faces, finish.material(), shape.uv / np.float32(finish.tile_m))
        for room in home.rooms
        for finish, shape in room.fixtures
    )


def _named_rooms(plan: FloorPlan) -> tuple[Room, ...]:
    """Return the rooms; a second room of a kind is "bedroom 2"."""
    kinds = [room.kind for room in plan.rooms]
    names = [
        kind if kinds[:i].count(kind) == 0 else f"{kind} {kinds[:i].count(kind) + 1}" for i, kind in enumerate(kinds)
    ]
    return tuple(Room(name, room.polygon, plan.height_m) for name, room in zip(names, plan.rooms, strict=True))


def _area(polygon: np.ndarray) -> float:
    x, y = polygon.T
    return 0.5 * float(abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)))


def _lights(home: HomeLayout) -> tuple[Light, ...]:
    """Return a light below every lamp on a ceiling, within every other lamp."""
    # From candle-like bulbs to daylight tubes (about 2,500 to 7,000 K)
    warmth = generator(home.seed, "light").uniform()
    warm = np.array([1.0, 0.80, 0.56]) * warmth + np.array([0.88, 0.95, 1.0]) * (1.0 - warmth)
    lights = []
    for room in home.rooms:
        hung = [p for p in room.placements if p.model.label == "ceiling light"]
        area = _area(room.room.polygon)
        for placement in hung:
            x, y, z = placement.position
            lights.append(Light(np.array([x, y, z - 0.06]), warm * 0.16 * area / len(hung) + 0.4))
        for placement in room.placements:
            if placement.model.label == "lamp":
                x, y, z = placement.position
                lights.append(Light(np.array([x, y, z + 0.8 * placement.model.size[2]]), warm * 0.25))
    return tuple(lights)

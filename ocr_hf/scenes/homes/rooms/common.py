"""Groups of furniture that several kinds of room share."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ocr_hf.scenes.homes.floor_plan import Wall
from ocr_hf.scenes.homes.furniture import belongings, decor, electronics, lighting, seating, storage, tables, tableware
from ocr_hf.scenes.homes.furniture.furniture_model import Model
from ocr_hf.scenes.homes.furniture.sizes import sized
from ocr_hf.scenes.homes.furniture.style import Style
from ocr_hf.scenes.homes.materials import Finish
from ocr_hf.scenes.homes.placement import Placement
from ocr_hf.scenes.homes.primitives import block
from ocr_hf.scenes.homes.room_layout import RoomLayout
from ocr_hf.scenes.randomness import pick

Maker = Callable[[np.random.Generator, Style], Model]


def chance(room: RoomLayout, probability: float) -> bool:
    """Return True with this probability."""
    return bool(room.rng.random() < probability)


def scatter(room: RoomLayout, anchor: Placement | None, kind: str, makers: Sequence[Maker], turn: float = 0.5) -> None:
    """Stand one thing of each maker somewhere on the anchor's surfaces of this kind, turned by up to `turn` radians."""
    for make in makers if anchor else ():
        room.put_on(anchor, kind, make(room.rng, room.style), turn=float(room.rng.uniform(-turn, turn)))


def some(room: RoomLayout, makers: dict[Maker, float]) -> list[Maker]:
    """Return each maker with its probability."""
    return [make for make, probability in makers.items() if chance(room, probability)]


def chairs_around(room: RoomLayout, table: Placement, chair: Model, sides: dict[str, int]) -> list[Placement]:
    """Stand chairs at a table's sides ("front", "back", "left", "right"), as many as given, a little out of line."""
    half_x, half_y = table.model.size[:2] / 2.0
    turns = {"front": np.pi, "back": 0.0, "left": np.pi / 2, "right": -np.pi / 2}
    placed = []
    for side, count in sides.items():
        for i in range(count):
            jitter = float(room.rng.uniform(-0.12, 0.12))
            # A turned chair reaches farther towards the table.
            lean = (abs(np.sin(jitter)) * chair.size[0]) / 2.0
            gap = chair.size[1] / 2.0 + lean + float(room.rng.uniform(0.02, 0.10))
            # count equal parts of the side, a chair in the middle of each.
            along = -1.0 + (2.0 * i + 1.0) / count
            offset = {
                "front": (along * half_x, -half_y - gap), "back": (along * half_x, half_y + gap),
                "left": (-half_x - gap, along * half_y), "right": (half_x + gap, along * half_y),
            }[side]  # fmt: skip
            if placement := room.put_beside(table, chair, offset, turns[side] + jitter):
                placed.append(placement)
    return placed


def dining_group(room: RoomLayout, tries: int = 3) -> Placement | None:
    """Stand a table with chairs on free floor, or a small one at a wall; set a few things on it."""
    rng, style = room.rng, room.style
    chair = seating.chair(rng, style)
    area = room.area_m2
    for _ in range(tries):
        if chance(room, 0.3) and area > 12.0:
            table = room.put_anywhere(tables.round_table(rng, style), sides=0.55, ends=0.5)
            seats = {"front": 1, "back": 1, "left": 1, "right": 1}
        else:
            model = tables.dining_table(rng, style, width=rng.uniform(0.8, 1.25) if area < 14.0 else None)
            table = room.put_anywhere(model, sides=0.55, ends=0.25)
            # Each chair gets at least 0.55 m of the side.
            along = 1 if model.size[0] < 1.1 else 2 if model.size[0] < 1.75 else 3
            ends = int(chance(room, 0.4))
            seats = {"front": along, "back": along, "left": ends, "right": ends}
        if table is None and area < 14.0:
            table = room.put_at_wall(
                tables.dining_table(rng, style, width=rng.uniform(0.8, 1.1)), clear=(0.3, 0.3, 0.6)
            )
            seats = {"front": 1, "left": 1, "right": 1}
        if table:
            chairs_around(room, table, chair, seats)
            center = pick(rng, (tableware.bowl, small_plant, None))
            if center:
                room.put_on(table, "table", center(rng, style), turn=None, at="center")
            scatter(
                room,
                table,
                "table",
                [tableware.cup] * int(rng.integers(0, 4)) + some(room, {tableware.bottle: 0.4}),
                turn=3.0,
            )
            return table
    return None


def seat_group(room: RoomLayout) -> Placement | None:
    """Stand a low table with easy chairs around it on free floor."""
    rng, style = room.rng, room.style
    table = room.put_anywhere(tables.coffee_table(rng, style), sides=0.7, ends=0.4)
    if table:
        sides = {side: 1 for side in ("front", "back", "left", "right") if chance(room, 0.7)}
        chairs_around(room, table, seating.padded_chair(rng, style), sides)
    return table


@sized(0.18, 0.34, 0.6)
def small_plant(rng: np.random.Generator, style: Style) -> Model:
    """A plant for a table."""
    return decor.plant(rng, style, tall=False)


@sized(0.55, 1.0, 1.6)
def tall_plant(rng: np.random.Generator, style: Style) -> Model:
    """A plant for the floor."""
    return decor.plant(rng, style, tall=True)


def hang_pictures(room: RoomLayout, count: int) -> None:
    """Hang pictures at eye height."""
    for _ in range(count):
        model = decor.wall_picture(room.rng, room.style)
        room.hang(model, z=1.58 - model.size[2] / 2.0)


def hang_clock(room: RoomLayout) -> None:
    """Hang a clock high on a wall."""
    room.hang(decor.clock(room.rng, room.style), z=float(room.rng.uniform(1.75, 1.95)))


def radiators_below_windows(room: RoomLayout, probability: float = 0.6) -> None:
    """Stand radiators of one kind below the windows."""
    if not chance(room, probability):
        return
    for opening in room.openings:
        # Radiators reach up to 0.75 m.
        if opening.kind == "window" and opening.z0 > 0.75:
            wall = room.wall_of(opening)
            width = min(opening.high - opening.low, float(room.rng.uniform(0.5, 1.9)))
            s = float(abs(opening.center[wall.axis] - wall.start[wall.axis]))
            room.put_at(wall, s, decor.radiator(room.rng, room.style, width))


def opposite_wall(room: RoomLayout, placement: Placement) -> tuple[Wall, float] | None:
    """Return the wall that a placement's front looks at and how far along it (metres from its start)."""
    look = placement.point(0.0, -1.0)[:2] - placement.position[:2]
    best = None
    for wall in room.room.walls:
        if wall.inward @ look > -0.9:
            continue
        s = float((placement.position[:2] - wall.start) @ wall.along)
        distance = float((wall.start - placement.position[:2]) @ look)
        if 0.0 < s < wall.length and distance > 0.0 and (best is None or distance < best[0]):
            best = (distance, wall, s)
    return None if best is None else (best[1], best[2])


def television(room: RoomLayout, facing: Placement | None, height_m: float | None = None) -> Placement | None:
    """Stand a television on a low cabinet, or hang it, where `facing` looks at; anywhere if that is taken."""
    rng, style = room.rng, room.style
    seen = opposite_wall(room, facing) if facing else None
    on_wall = height_m is not None or chance(room, 0.25)
    screen = electronics.tv(rng, style, on_wall=on_wall)
    if on_wall:
        z = height_m or float(rng.uniform(1.0, 1.2))
        spots = [] if seen is None else [seen[1] + shift for shift in (0.0, -0.4, 0.4, -0.8, 0.8)]
        for s in spots:
            if placement := room.put_at(seen[0], s, screen, gap=0.004, z=z):
                return placement
        return room.hang(screen, z)
    stand = storage.sideboard(rng, style, width=screen.size[0] + rng.uniform(0.2, 0.6))
    cabinet = None
    # Straight opposite first, then ever farther aside.
    for shift in (0.0, -0.3, 0.3, -0.7, 0.7, -1.1, 1.1) if seen else ():
        cabinet = cabinet or room.put_at(seen[0], seen[1] + shift, stand, clear=(0.0, 0.0, 0.4))
    cabinet = cabinet or room.put_at_wall(stand, clear=(0.0, 0.0, 0.5))
    if cabinet is None:
        return None
    placement = room.put_on(cabinet, "top", screen, at="center")
    scatter(room, cabinet, "top", some(room, {small_plant: 0.35, electronics.telephone: 0.15, storage.basket: 0.1}))
    return placement


def rug_below(room: RoomLayout, placement: Placement, grow_m: float) -> None:
    """Lay a rug around a placement, where it lies within the room."""
    kind, color = (
        pick(room.rng, ("rug", "carpet", "stripes")),
        pick(room.rng, (*room.style.accents, (0.85, 0.82, 0.76))),
    )
    width, depth = placement.model.size[:2] + 2.0 * grow_m
    rug = placement.block.grown(grow_m, grow_m, grow_m, grow_m)
    half_x, half_y = rug.half_extent
    inside = (rug.x - half_x > room.low[0]) and (rug.x + half_x < room.high[0])
    if inside and rug.y - half_y > room.low[1] and rug.y + half_y < room.high[1]:
        # Half a millimetre above the floor: in its plane the two would flicker.
        shape = block(-width / 2, width / 2, -depth / 2, depth / 2, 0.0005, 0.009)
        room.fixtures.append((Finish(kind, color), shape.turned(rug.yaw).moved(rug.x, rug.y)))


def desk_group(room: RoomLayout, wall: Wall | None = None) -> Placement | None:
    """Stand a desk at a wall with an office chair before it, and a computer and its things on it."""
    rng, style = room.rng, room.style
    model = tables.desk(rng, style)
    # The space before it is for the chair, which is placed next.
    desk = room.put_at_wall(model, clear=(0.0, 0.0, 0.95), wall=wall)
    if desk is None:
        return None
    chair = seating.office_chair(rng, style)
    jitter = float(rng.uniform(-0.5, 0.5))
    reach = desk.model.size[1] / 2 + chair.size[1] / 2 * (1 + 0.4 * abs(jitter)) + 0.08
    room.put_beside(desk, chair, (float(rng.uniform(-0.15, 0.15)), -reach), np.pi + jitter)
    work_place(room, desk, "desk")
    return desk


def work_place(room: RoomLayout, desk: Placement, kind: str) -> None:
    """Set a computer and its things on a desk."""
    rng, style = room.rng, room.style
    if chance(room, 0.75):
        # A screen is up to 0.64 m wide: two need a desk of more than 1.35 m.
        screens = int(rng.integers(1, 3)) if desk.model.size[0] > 1.35 else 1
        screen = electronics.monitor(rng, style)
        for at in ("center",) if screens == 1 else ("left", "right"):
            place = room.put_on(desk, kind, screen, at=at)
            if place and screens == 1:
                _keys_before(room, desk, kind)
        if screens == 2:
            _keys_before(room, desk, kind)
        scatter(room, desk, kind, some(room, {electronics.tower: 0.35}), turn=0.0)
    else:
        room.put_on(desk, kind, electronics.laptop(rng, style), turn=float(rng.uniform(-0.2, 0.2)), at="center")
        scatter(room, desk, kind, some(room, {electronics.mouse: 0.6}))
    things = {
        lighting.desk_lamp: 0.4,
        electronics.telephone: 0.35,
        tableware.cup: 0.6,
        small_plant: 0.25,
        electronics.headphones: 0.25,
        electronics.printer: 0.12,
        electronics.laptop: 0.1,
        tableware.bottle: 0.2,
    }
    scatter(room, desk, kind, some(room, things))


def _keys_before(room: RoomLayout, desk: Placement, kind: str) -> None:
    """Lay a keyboard and a mouse at the front edge of a desk."""
    surface = next(s for s in desk.model.surfaces if s.kind == kind)
    keys = electronics.keyboard(room.rng, room.style)
    y = surface.y0 + keys.size[1] / 2 + 0.04
    z = float(desk.position[2]) + surface.z + 0.0005
    at = room.put_beside(desk, keys, (0.0, y), z=z, ignore_kept_free=True, on=desk)
    if at:
        mouse = electronics.mouse(room.rng, room.style)
        room.put_beside(desk, mouse, (keys.size[0] / 2 + 0.07, y), z=z, ignore_kept_free=True, on=desk)


def clutter(room: RoomLayout, makers: dict[Maker, float]) -> None:
    """Stand small things at walls and in corners, each with its probability."""
    for make in some(room, makers):
        where = pick(room.rng, ("corner", "any", "any"))
        room.put_at_wall(
            make(room.rng, room.style), clear=(0.0, 0.0, 0.0), where=where, gap=float(room.rng.uniform(0.03, 0.12))
        )


def entrance(room: RoomLayout) -> None:
    """Furnish the surroundings of the front door, if this room has it."""
    if any(opening.kind == "entry" for opening in room.openings):
        rack = room.put_at_wall(storage.shoe_rack(room.rng, room.style)) if chance(room, 0.45) else None
        for _ in range(int(room.rng.integers(1, 4)) if rack else 0):
            room.put_on(rack, "shoes", belongings.shoes(room.rng, room.style))
        clutter(
            room, {storage.coat_rack: 0.45, belongings.shoes: 0.3, belongings.suitcase: 0.2, belongings.backpack: 0.3}
        )

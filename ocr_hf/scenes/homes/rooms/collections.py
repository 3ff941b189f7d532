"""Several of a kind: the chairs along a wall, a gallery of pictures, six bottles on a counter.

Without them most categories come alone or in pairs, and "two" answers a question about a number more often than it does
in real rooms.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from ocr_hf.scenes.homes.floor_plan import Wall
from ocr_hf.scenes.homes.furniture import (
    belongings,
    decor,
    electronics,
    lighting,
    sanitary,
    seating,
    sleeping,
    storage,
    tables,
    tableware,
)
from ocr_hf.scenes.homes.furniture.furniture_model import Model
from ocr_hf.scenes.homes.placement import Placement
from ocr_hf.scenes.homes.room_layout import RoomLayout
from ocr_hf.scenes.homes.rooms.common import Maker, small_plant, tall_plant
from ocr_hf.scenes.randomness import pick

MOST = 24
"""Things of a collection at most."""
EARLY, EARLY_M2 = 0.8, 8.0
"""Share of the rooms larger than that in which a collection comes early."""
LIKELY_MORE = 0.92
"""Chance that a collection goes on after each of its things beyond three: the sizes fall off as a geometric series."""
SEATS: tuple[Maker, ...] = (seating.chair, seating.chair, seating.office_chair, seating.padded_chair, seating.stool)
ANYWHERE: tuple[Maker, ...] = (
    decor.trash_bin,
    storage.crate,
    storage.basket,
    belongings.shoes,
    belongings.paper_bag,
    sanitary.bucket,
    tall_plant,
    seating.stool,
)
LIVED_IN: tuple[Maker, ...] = (
    *SEATS,
    *SEATS,
    tables.coffee_table,
    tables.coffee_table,
    tables.nightstand,
    tables.desk,
    partial(seating.sofa, seats=1),
    storage.bookshelf,
    storage.filing_cabinet,
    belongings.suitcase,
    belongings.backpack,
    electronics.tower,
    lighting.floor_lamp,
)
TABLEWARE: tuple[Maker, ...] = (tableware.cup, tableware.bottle, tableware.bowl, small_plant)
DESK_THINGS: tuple[Maker, ...] = (
    electronics.laptop,
    electronics.monitor,
    electronics.keyboard,
    electronics.mouse,
    electronics.telephone,
    electronics.headphones,
    lighting.table_lamp,
)
CUSHIONS: tuple[Maker, ...] = (sleeping.sofa_pillow, sleeping.pillow)
ON_FLOOR = {"bathroom": ANYWHERE, "kitchen": (*ANYWHERE, *SEATS)}
ON_WALL: dict[str, tuple[Maker, ...]] = {
    "bathroom": (sanitary.towel, sanitary.towel, sanitary.mirror),
    "kitchen": (decor.wall_picture, decor.clock, sanitary.towel),
    "office": (decor.wall_picture, decor.clock, decor.whiteboard),
    "meeting room": (decor.wall_picture, decor.clock, decor.whiteboard),
}
WORK_TOPS = frozenset({"top", "table", "desk", "nightstand", "counter", "shelf"})
SOFT = frozenset({"bed", "seat", "pillow"})
"""Kinds of surface: cups stand on the former, cushions lie on the latter."""


def early_collection(room: RoomLayout) -> None:
    """Add a collection to most rooms that aren't small, before everything but what makes the room what it is.

    Along the full walls of a furnished room few things find a place side by side.
    """
    if room.area_m2 > EARLY_M2 and room.rng.random() < EARLY:
        add_collection(room)


def add_collections(rooms: Sequence[RoomLayout]) -> None:
    """Add collections to a home, each of one category in one room: as many as rooms, and two to five more."""
    rng = rooms[0].rng
    for _ in range(len(rooms) + int(rng.integers(2, 6))):
        add_collection(rooms[int(rng.integers(len(rooms)))])


def add_collection(room: RoomLayout) -> None:
    """Add one collection to a room: three things or more, as far as there is a place for them."""
    rng = room.rng
    wanted = 3
    while wanted < MOST and rng.random() < LIKELY_MORE:
        wanted += 1
    where, kind = pick(rng, ("floor", "floor", "top", "wall")), room.room.kind
    soft = where == "top" and rng.random() < 0.25
    if where == "floor":
        make = pick(rng, ON_FLOOR.get(kind, (*ANYWHERE, *LIVED_IN)))
    elif where == "wall":
        make = pick(rng, ON_WALL.get(kind, (decor.wall_picture, decor.wall_picture, decor.clock, sanitary.mirror)))
    elif soft:
        make = pick(rng, CUSHIONS)
    else:
        make = pick(rng, TABLEWARE if kind in ("bathroom", "kitchen") else TABLEWARE + DESK_THINGS)
    model = make(rng, room.style)
    # Together, as people keep such things: along one wall, then the next; on one piece of furniture, then the next
    walls = [room.room.walls[number] for number in rng.permutation(len(room.room.walls))]
    carriers = [placement for placement in room.placements if placement.model.surfaces and placement.on is None]
    carriers = [carriers[number] for number in rng.permutation(len(carriers))]
    for _ in range(wanted):
        # Mostly equal pieces, as they are bought, but not always
        if rng.random() < 0.25:
            model = make(rng, room.style)
        if where == "top":
            placed = _stand(room, model, carriers, SOFT if soft else WORK_TOPS)
        elif where == "wall":
            z = max(0.9, 1.6 - float(model.size[2]) / 2.0)
            placed = next(filter(None, (room.hang(model, z=z, wall=wall, tries=8) for wall in walls)), None)
        else:
            placed = _line_up(room, model, walls, free=make in SEATS)
        if placed is None:
            break


def _line_up(room: RoomLayout, model: Model, walls: Sequence[Wall], free: bool) -> Placement | None:
    """Stand a model at the first of these walls where there is room; what may stand `free`, else on open floor."""
    gap = float(room.rng.uniform(0.02, 0.1))
    for wall in walls:
        if placed := room.put_at_wall(model, (0.0, 0.0, 0.05), wall=wall, tries=8, gap=gap):
            return placed
    return room.put_anywhere(model, sides=0.3, ends=0.15, tries=10) if free else None


def _stand(room: RoomLayout, model: Model, carriers: list[Placement], kinds: frozenset[str]) -> Placement | None:
    """Stand a model on the first of these pieces of furniture that has a place for it."""
    for carrier in carriers:
        for surface in sorted({surface.kind for surface in carrier.model.surfaces} & kinds):
            placed = room.put_on(carrier, surface, model, turn=float(room.rng.uniform(-0.5, 0.5)), tries=6)
            if placed:
                return placed
    return None

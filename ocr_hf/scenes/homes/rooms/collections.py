"""Several of a kind: the chairs along a wall, a gallery of pictures, six bottles on a counter.

Without them most categories come alone or in pairs, and "two" answers a question about a number more often than it does
in real rooms.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

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
from ocr_hf.scenes.homes.room_layout import RoomLayout
from ocr_hf.scenes.homes.rooms.common import Maker, small_plant, tall_plant
from ocr_hf.scenes.randomness import pick

MOST = 12
"""Things of a collection at most."""
LIKELY_MORE = 0.8
"""Chance that a collection goes on after each of its things beyond two: the sizes fall off as a geometric series."""
ON_FLOOR: tuple[Maker, ...] = (
    seating.chair,
    seating.chair,
    seating.chair,
    seating.office_chair,
    seating.office_chair,
    seating.stool,
    seating.padded_chair,
    tables.coffee_table,
    tables.coffee_table,
    tables.nightstand,
    tables.desk,
    decor.trash_bin,
    decor.trash_bin,
    storage.crate,
    storage.basket,
    storage.bookshelf,
    storage.filing_cabinet,
    partial(seating.sofa, seats=1),
    belongings.suitcase,
    belongings.backpack,
    belongings.shoes,
    belongings.paper_bag,
    electronics.tower,
    lighting.floor_lamp,
    sanitary.bucket,
    tall_plant,
)
ON_TOP: tuple[Maker, ...] = (
    tableware.cup,
    tableware.bottle,
    tableware.bowl,
    small_plant,
    electronics.laptop,
    electronics.monitor,
    electronics.keyboard,
    electronics.mouse,
    electronics.telephone,
    electronics.headphones,
    lighting.table_lamp,
    sleeping.sofa_pillow,
    sleeping.sofa_pillow,
    sleeping.pillow,
)
ON_WALL: tuple[Maker, ...] = (decor.wall_picture, decor.clock, sanitary.towel, decor.whiteboard, sanitary.mirror)


def add_collections(rooms: Sequence[RoomLayout]) -> None:
    """Add a few collections to a home, each of one category and in one room: one for each room, and up to three more."""
    rng = rooms[0].rng
    for _ in range(len(rooms) + int(rng.integers(0, 4))):
        room = rooms[int(rng.integers(len(rooms)))]
        wanted = 2
        while wanted < MOST and rng.random() < LIKELY_MORE:
            wanted += 1
        kind = pick(rng, ("floor", "floor", "top", "wall"))
        make = pick(rng, {"floor": ON_FLOOR, "top": ON_TOP, "wall": ON_WALL}[kind])
        model = make(rng, room.style)
        for _ in range(wanted):
            # Mostly equal pieces, as they are bought, but not always
            if rng.random() < 0.25:
                model = make(rng, room.style)
            if not _put(room, kind, model):
                break


def _put(room: RoomLayout, kind: str, model: Model) -> bool:
    if kind == "floor":
        return room.put_at_wall(model, clear=(0.0, 0.0, 0.05), gap=float(room.rng.uniform(0.02, 0.1))) is not None
    if kind == "wall":
        return room.hang(model, z=max(0.9, 1.6 - float(model.size[2]) / 2.0)) is not None
    carriers = [placement for placement in room.placements if placement.model.surfaces and placement.on is None]
    for number in room.rng.permutation(len(carriers)):
        carrier = carriers[number]
        for surface in sorted({surface.kind for surface in carrier.model.surfaces} - {"burner", "shoes"}):
            if room.put_on(carrier, surface, model, turn=float(room.rng.uniform(-0.5, 0.5)), tries=6):
                return True
    return False

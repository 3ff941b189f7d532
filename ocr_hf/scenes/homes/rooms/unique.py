"""Sees to it that a home has things of which there is just one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ocr_hf.scenes.homes.furniture import belongings, decor, electronics, lighting, seating, storage
from ocr_hf.scenes.homes.room_layout import RoomLayout
from ocr_hf.scenes.homes.rooms.common import Maker, tall_plant

RARITIES: tuple[Maker, ...] = (
    decor.trash_bin,
    storage.basket,
    belongings.backpack,
    tall_plant,
    seating.stool,
    electronics.fan,
    belongings.suitcase,
    decor.heater,
    storage.crate,
    belongings.guitar,
    belongings.shoes,
    belongings.paper_bag,
    lighting.floor_lamp,
    electronics.power_strip,
    storage.coat_rack,
    electronics.tower,
)


def add_unique_things(rooms: Sequence[RoomLayout], wanted: int) -> None:
    """Stand things of kinds that a home lacks in its rooms, until it has `wanted` kinds of which there is one."""
    for number in rooms[0].rng.permutation(len(RARITIES)):
        labels = Counter(placement.model.label for room in rooms for placement in room.placements)
        if sum(count == 1 for count in labels.values()) >= wanted:
            return
        room = rooms[int(rooms[0].rng.integers(len(rooms)))]
        model = RARITIES[number](room.rng, room.style)
        if model.label not in labels:
            room.put_at_wall(model, clear=(0.0, 0.0, 0.0), gap=0.05)

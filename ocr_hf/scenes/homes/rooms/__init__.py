"""What belongs into each kind of room and where it stands."""

from __future__ import annotations

from ocr_hf.scenes.homes.room_layout import RoomLayout
from ocr_hf.scenes.homes.rooms.bathroom import furnish_bathroom
from ocr_hf.scenes.homes.rooms.bedroom import furnish_bedroom
from ocr_hf.scenes.homes.rooms.collections import add_collections
from ocr_hf.scenes.homes.rooms.common import desk_group, dining_group, seat_group
from ocr_hf.scenes.homes.rooms.kitchen import furnish_kitchen
from ocr_hf.scenes.homes.rooms.living_room import furnish_living_room
from ocr_hf.scenes.homes.rooms.office import furnish_meeting_room, furnish_office
from ocr_hf.scenes.homes.rooms.unique import add_unique_things
from ocr_hf.scenes.randomness import pick

PROGRAMMES = {
    "living room": furnish_living_room,
    "bedroom": furnish_bedroom,
    "kitchen": furnish_kitchen,
    "bathroom": furnish_bathroom,
    "office": furnish_office,
    "meeting room": furnish_meeting_room,
}


LARGE_M2, EXTRA_M2 = 20.0, 8.0
"""A room larger than the first gets another group of furniture for every EXTRA_M2 beyond: halls aren't empty."""
EXTRAS = {
    "living room": (seat_group, dining_group, desk_group),
    "meeting room": (dining_group, desk_group, seat_group),
    "office": (desk_group, desk_group, seat_group),
    "kitchen": (dining_group,),
    "bedroom": (desk_group, seat_group),
}
UNIQUE = {1: 3, 2: 6, 3: 6, 4: 6}
"""Number of rooms -> how many kinds of things there should be just one of: distances and directions ask for those."""


def furnish(layouts: tuple[RoomLayout, ...]) -> None:
    """Furnish the rooms of a home by their kinds."""
    for layout in layouts:
        kind = layout.room.kind
        PROGRAMMES[kind](layout)
        spare = layout.area_m2 - LARGE_M2
        for _ in range(int(spare // EXTRA_M2) if kind in EXTRAS else 0):
            pick(layout.rng, EXTRAS[kind])(layout)
    add_collections(layouts)
    add_unique_things(layouts, UNIQUE[len(layouts)])

"""What belongs into each kind of room and where it stands."""

from __future__ import annotations

from ocr_hf.scenes.homes.room_layout import RoomLayout
from ocr_hf.scenes.homes.rooms.bathroom import furnish_bathroom
from ocr_hf.scenes.homes.rooms.bedroom import furnish_bedroom
from ocr_hf.scenes.homes.rooms.collections import add_collections
from ocr_hf.scenes.homes.rooms.kitchen import furnish_kitchen
from ocr_hf.scenes.homes.rooms.living_room import furnish_living_room
from ocr_hf.scenes.homes.rooms.office import furnish_meeting_room, furnish_office
from ocr_hf.scenes.homes.rooms.unique import add_unique_things

PROGRAMMES = {
    "living room": furnish_living_room,
    "bedroom": furnish_bedroom,
    "kitchen": furnish_kitchen,
    "bathroom": furnish_bathroom,
    "office": furnish_office,
    "meeting room": furnish_meeting_room,
}


UNIQUE = {1: 6, 2: 10, 3: 10, 4: 10}
"""Number of rooms -> how many kinds of things there should be just one of: distances and directions ask for those."""


def furnish(layouts: tuple[RoomLayout, ...]) -> None:
    """Furnish the rooms of a home by their kinds."""
    for layout in layouts:
        PROGRAMMES[layout.room.kind](layout)
    add_collections(layouts)
    add_unique_things(layouts, UNIQUE[len(layouts)])

"""What belongs into each kind of room and where it stands."""

from __future__ import annotations

from ocr_hf.scenes.room_layout import RoomLayout
from ocr_hf.scenes.rooms.bathroom import furnish_bathroom
from ocr_hf.scenes.rooms.bedroom import furnish_bedroom
from ocr_hf.scenes.rooms.kitchen import furnish_kitchen
from ocr_hf.scenes.rooms.living_room import furnish_living_room
from ocr_hf.scenes.rooms.office import furnish_meeting_room, furnish_office

PROGRAMMES = {
    "living room": furnish_living_room,
    "bedroom": furnish_bedroom,
    "kitchen": furnish_kitchen,
    "bathroom": furnish_bathroom,
    "office": furnish_office,
    "meeting room": furnish_meeting_room,
}


def furnish(layout: RoomLayout) -> None:
    """Furnish a room by its kind."""
    PROGRAMMES[layout.room.kind](layout)

"""What belongs into each kind of room and where it stands."""

from __future__ import annotations

import numpy as np

from ocr_hf.scenes.furniture import lighting, seating, sleeping, tables
from ocr_hf.scenes.room_layout import Placement, RoomLayout


def furnish(layout: RoomLayout) -> None:
    """Furnish a room by its kind."""
    PROGRAMMES[layout.room.kind](layout)


def _living_room(room: RoomLayout) -> None:
    rng, style = room.rng, room.style
    sofa = room.put_at_wall(seating.sofa(rng, style), clear=(0.1, 0.1, 1.5), where="middle")
    if sofa:
        table = tables.coffee_table(rng, style)
        room.put_beside(sofa, table, (0.0, -sofa.model.size[1] / 2 - table.size[1] / 2 - 0.38))
        for at in ("left", "right")[: int(rng.integers(1, 3))]:
            room.put_on(sofa, "seat", seating_pillow(room), at=at)
    dining_group(room)
    room.put_at_wall(lighting.floor_lamp(rng, style), where="corner")


def seating_pillow(room: RoomLayout):
    """Return a pillow for a sofa."""
    return sleeping.sofa_pillow(room.rng, room.style)


def dining_group(room: RoomLayout) -> Placement | None:
    """Stand a table with chairs on free floor."""
    rng, style = room.rng, room.style
    table = room.put_anywhere(tables.dining_table(rng, style), turn="right", margin=0.55)
    if table is None:
        return None
    chair = seating.chair(rng, style)
    half_x, half_y = table.model.size[:2] / 2
    reach = half_y + chair.size[1] / 2 + 0.03
    for x in (-half_x / 2, half_x / 2):
        room.put_beside(table, chair, (x, -reach), np.pi)
        room.put_beside(table, chair, (x, reach), 0.0)
    return table


def _bedroom(room: RoomLayout) -> None:
    rng, style = room.rng, room.style
    bed = room.put_at_wall(sleeping.bed(rng, style), clear=(0.55, 0.55, 0.6), where="middle")
    if bed:
        stand = tables.nightstand(rng, style)
        for side in (-1, 1):
            x = side * (bed.model.size[0] / 2 + stand.size[0] / 2 + 0.03)
            room.put_beside(bed, stand, (x, bed.model.size[1] / 2 - stand.size[1] / 2))
        pillow = sleeping.pillow(rng, style)
        for at in ("left", "right"):
            room.put_on(bed, "pillow", pillow, at=at)


def _office(room: RoomLayout) -> None:
    rng, style = room.rng, room.style
    for _ in range(2):
        desk = room.put_at_wall(tables.desk(rng, style), clear=(0.0, 0.0, 0.9))
        if desk:
            chair = seating.office_chair(rng, style)
            room.put_beside(desk, chair, (0.0, -desk.model.size[1] / 2 - chair.size[1] / 2 - 0.02), np.pi)


PROGRAMMES = {
    "living room": _living_room,
    "bedroom": _bedroom,
    "kitchen": dining_group,
    "bathroom": lambda room: None,
    "office": _office,
    "meeting room": dining_group,
}

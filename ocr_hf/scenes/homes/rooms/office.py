"""Offices and meeting rooms."""

from __future__ import annotations

import numpy as np

from ocr_hf.scenes.homes.furniture import belongings, decor, electronics, lighting, seating, storage, tables, tableware
from ocr_hf.scenes.homes.placement import Placement
from ocr_hf.scenes.homes.room_layout import RoomLayout
from ocr_hf.scenes.homes.rooms.collections import early_collection
from ocr_hf.scenes.homes.rooms.common import (
    chairs_around,
    chance,
    clutter,
    desk_group,
    entrance,
    hang_clock,
    hang_pictures,
    radiators_below_windows,
    scatter,
    small_plant,
    some,
    tall_plant,
    television,
)
from ocr_hf.scenes.randomness import pick


def furnish_office(room: RoomLayout) -> None:
    """Furnish an office: desks with computers, cabinets, a printer, a board."""
    rng, style = room.rng, room.style
    radiators_below_windows(room)
    area = room.area_m2
    for _ in range(int(rng.integers(1, 3)) + int(area > 13.0) + int(area > 16.0)):
        desk_group(room)
    early_collection(room)
    for _ in range(int(rng.integers(1, 3))):
        cabinet = room.put_at_wall(
            pick(rng, (storage.filing_cabinet, storage.sideboard))(rng, style), clear=(0.0, 0.0, 0.5)
        )
        scatter(
            room,
            cabinet,
            "top",
            some(room, {electronics.printer: 0.6, small_plant: 0.3, tableware.kettle: 0.15, storage.crate: 0.1}),
            turn=0.1,
        )
    if chance(room, 0.6):
        shelf = room.put_at_wall(storage.bookshelf(rng, style), clear=(0.0, 0.0, 0.6))
        scatter(room, shelf, "shelf", some(room, {small_plant: 0.3, storage.crate: 0.2, tableware.cup: 0.3}), turn=0.2)
    if chance(room, 0.65):
        room.hang(decor.whiteboard(rng, style), z=float(rng.uniform(0.85, 1.0)))
    _office_things(room)


def furnish_meeting_room(room: RoomLayout) -> None:
    """Furnish a meeting room: one long table, many chairs, a board or a screen."""
    rng, style = room.rng, room.style
    radiators_below_windows(room)
    table = _long_table(room)
    early_collection(room)
    if table:
        scatter(
            room,
            table,
            "table",
            [electronics.laptop] * int(rng.integers(1, 4)) + some(room, {electronics.telephone: 0.6}),
        )
        scatter(
            room,
            table,
            "table",
            [tableware.cup] * int(rng.integers(1, 5))
            + some(room, {tableware.bottle: 0.5, electronics.power_strip: 0.3}),
        )
    if chance(room, 0.75):
        room.hang(decor.whiteboard(rng, style), z=float(rng.uniform(0.85, 1.0)))
    if chance(room, 0.6):
        television(room, None, height_m=1.2 if chance(room, 0.7) else None)
    cabinet = room.put_at_wall(storage.sideboard(rng, style), clear=(0.0, 0.0, 0.5)) if chance(room, 0.7) else None
    scatter(
        room,
        cabinet,
        "top",
        some(room, {electronics.printer: 0.4, small_plant: 0.5, tableware.kettle: 0.4, tableware.cup: 0.5}),
        turn=0.1,
    )
    _office_things(room)


def _long_table(room: RoomLayout) -> Placement | None:
    rng, style = room.rng, room.style
    span = np.sort(room.high - room.low)[::-1]
    chair = pick(rng, (seating.office_chair, seating.padded_chair, seating.shell_chair))(rng, style)
    # As long as the room allows, then shorter and shorter: rather a short table than none.
    for shrink in (1.0, 0.85, 0.7, 0.55, 0.45):
        model = tables.dining_table(rng, style, width=min(3.2, float(span[0]) - 2.2) * shrink)
        if table := room.put_anywhere(model, sides=0.65, ends=0.5):
            # 0.72 m of table for each chair.
            count = max(1, int(model.size[0] / 0.72))
            ends = int(chance(room, 0.5))
            chairs_around(room, table, chair, {"front": count, "back": count, "left": ends, "right": ends})
            return table
    return None


def _office_things(room: RoomLayout) -> None:
    bins = {decor.trash_bin: 0.9}
    clutter(room, bins)
    if chance(room, 0.4):
        clutter(room, bins)
    things = {
        tall_plant: 0.5,
        belongings.backpack: 0.6,
        storage.coat_rack: 0.35,
        electronics.fan: 0.25,
        decor.heater: 0.2,
        electronics.power_strip: 0.3,
        lighting.floor_lamp: 0.2,
        storage.crate: 0.2,
        belongings.suitcase: 0.1,
        electronics.tower: 0.2,
        belongings.paper_bag: 0.12,
    }
    clutter(room, things)
    if chance(room, 0.3):
        clutter(room, {belongings.backpack: 0.8})
    entrance(room)
    if chance(room, 0.6):
        hang_clock(room)
    hang_pictures(room, int(room.rng.integers(0, 3)))

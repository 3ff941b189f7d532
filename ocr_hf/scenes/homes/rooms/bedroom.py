"""Bedrooms: bed and nightstands, a closet, a desk where there is room."""

from __future__ import annotations

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
from ocr_hf.scenes.homes.placement import Placement
from ocr_hf.scenes.homes.room_layout import RoomLayout
from ocr_hf.scenes.homes.rooms.collections import early_collection
from ocr_hf.scenes.homes.rooms.common import (
    chance,
    clutter,
    desk_group,
    entrance,
    hang_clock,
    hang_pictures,
    radiators_below_windows,
    rug_below,
    scatter,
    small_plant,
    some,
    tall_plant,
    television,
)
from ocr_hf.scenes.homes.rooms.living_room import hang_above
from ocr_hf.scenes.randomness import pick


def furnish_bedroom(room: RoomLayout) -> None:
    """Furnish a bedroom."""
    rng, style = room.rng, room.style
    radiators_below_windows(room)
    bed = _bed_group(room)
    for _ in range(3):
        if closet := room.put_at_wall(
            storage.closet(rng, style), clear=(0.0, 0.0, 0.55), where=pick(rng, ("corner", "any"))
        ):
            break
    if closet:
        room.keep_free(closet, 0.5)
        scatter(room, closet, "top", some(room, {storage.basket: 0.2, storage.crate: 0.15}))
    early_collection(room)
    if chance(room, 0.5):
        desk_group(room)
    if chance(room, 0.55):
        _dresser(room)
    if bed and chance(room, 0.35):
        television(room, bed, height_m=None if chance(room, 0.4) else 1.2)
    if chance(room, 0.4):
        shelf = room.put_at_wall(storage.bookshelf(rng, style), clear=(0.0, 0.0, 0.6))
        scatter(room, shelf, "shelf", some(room, {small_plant: 0.4, storage.basket: 0.3}), turn=0.2)
    things = {
        lighting.floor_lamp: 0.3,
        tall_plant: 0.45,
        belongings.backpack: 0.45,
        storage.basket: 0.35,
        decor.trash_bin: 0.35,
        belongings.shoes: 0.35,
        belongings.suitcase: 0.3,
        belongings.guitar: 0.2,
        seating.stool: 0.2,
        electronics.fan: 0.2,
        decor.heater: 0.12,
        electronics.power_strip: 0.15,
        storage.crate: 0.15,
        belongings.paper_bag: 0.1,
        seating.padded_chair: 0.2,
    }
    clutter(room, things)
    entrance(room)
    hang_pictures(room, int(rng.integers(0, 3)))
    if chance(room, 0.2):
        hang_clock(room)


def _bed_group(room: RoomLayout) -> Placement | None:
    """Stand a bed with its head to a wall, with nightstands, pillows, and lamps."""
    rng, style = room.rng, room.style
    # From the best to any: free on both sides, then in a corner, at last a single bed. Every second one is low, to fit
    # below a window.
    for attempt in range(11):
        model = sleeping.bed(rng, style, width=None if attempt < 4 else 0.9, low=attempt % 2 == 1)
        sides = 0.55 if model.size[0] > 1.2 and attempt < 3 else 0.0
        where = "middle" if sides else pick(rng, ("corner", "any"))
        front = 0.6 if attempt < 5 else 0.4 if attempt < 8 else 0.15
        if bed := room.put_at_wall(model, clear=(sides, sides, front), where=where, tries=24 if attempt < 8 else 60):
            break
    else:
        return None
    stand, lamp = tables.nightstand(rng, style), lighting.table_lamp(rng, style)
    # Nightstands have their backs where the bed has its head: at the wall.
    y = float(bed.model.size[1] / 2 - stand.size[1] / 2)
    lamps = chance(room, 0.7)
    for side in (-1, 1):
        placed = room.put_beside(bed, stand, (side * float(bed.model.size[0] / 2 + stand.size[0] / 2 + 0.03), y))
        if placed and lamps:
            room.put_on(placed, "nightstand", lamp, at="back")
        scatter(
            room,
            placed,
            "nightstand",
            some(room, {electronics.telephone: 0.2, tableware.cup: 0.3, small_plant: 0.1}),
        )
    pillow = sleeping.pillow(rng, style)
    for at in ("left", "right") if bed.model.size[0] > 1.3 else ("center",):
        room.put_on(bed, "pillow", pillow, at=at)
    scatter(
        room,
        bed,
        "bed",
        some(
            room,
            {sleeping.blanket: 0.25, electronics.laptop: 0.12, belongings.backpack: 0.08, electronics.headphones: 0.08},
        ),
    )
    if chance(room, 0.5):
        rug_below(room, bed, 0.35)
    if chance(room, 0.5):
        hang_above(room, bed)
    return bed


def _dresser(room: RoomLayout) -> None:
    rng, style = room.rng, room.style
    chest = room.put_at_wall(storage.dresser(rng, style), clear=(0.0, 0.0, 0.6))
    if chest is None:
        return
    room.keep_free(chest, 0.4)
    if chance(room, 0.6):
        mirror = sanitary.mirror(rng, style)
        room.hang(mirror, z=float(chest.model.size[2]) + 0.12, above=chest)
    scatter(
        room,
        chest,
        "top",
        some(room, {lighting.table_lamp: 0.4, small_plant: 0.4, storage.basket: 0.2, belongings.paper_bag: 0.1}),
    )

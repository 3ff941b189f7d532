"""Living rooms: sofa and television, a place to eat, shelves, plants, sometimes a fireplace or a piano."""

from __future__ import annotations

import numpy as np

from ocr_hf.scenes.homes.furniture import (
    belongings,
    decor,
    electronics,
    lighting,
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
    dining_group,
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
from ocr_hf.scenes.randomness import pick


def furnish_living_room(room: RoomLayout) -> None:
    """Furnish a living room."""
    rng, style = room.rng, room.style
    radiators_below_windows(room)
    fire = (
        room.put_at_wall(decor.fireplace(rng, style), clear=(0.1, 0.1, 0.9), where="middle")
        if chance(room, 0.25)
        else None
    )
    sofa = _sofa_group(room)
    television(room, sofa)
    early_collection(room)
    area = room.area_m2
    has_kitchen = any(other.kind == "kitchen" for other in room.plan.rooms)
    if area > 17.0 and (not has_kitchen or chance(room, 0.4)):
        dining_group(room)
    _shelves(room)
    if chance(room, 0.15):
        piano = room.put_at_wall(belongings.piano(rng, style), clear=(0.0, 0.0, 0.7))
        if piano:
            stool = seating.stool(rng, style)
            room.put_beside(piano, stool, (0.0, -piano.model.size[1] / 2 - stool.size[1] / 2 - 0.08))
    if area > 20.0 and chance(room, 0.25):
        desk_group(room)
    if fire:
        room.hang(decor.wall_picture(rng, style), z=1.45, above=fire)
        scatter(room, fire, "top", some(room, {small_plant: 0.5, tableware.bottle: 0.3}))
    things = {
        lighting.floor_lamp: 0.75,
        tall_plant: 0.7,
        decor.trash_bin: 0.4,
        belongings.guitar: 0.2,
        storage.basket: 0.35,
        belongings.backpack: 0.3,
        seating.stool: 0.3,
        electronics.fan: 0.15,
        decor.heater: 0.12,
        belongings.paper_bag: 0.15,
        electronics.power_strip: 0.15,
        storage.crate: 0.12,
    }
    clutter(room, things)
    clutter(room, {tall_plant: 0.3})
    entrance(room)
    hang_pictures(room, int(rng.integers(1, 4)))
    if chance(room, 0.45):
        hang_clock(room)


def _sofa_group(room: RoomLayout) -> Placement | None:
    """Stand a sofa at a wall with a coffee table before it and sometimes an armchair or a second sofa beside that."""
    rng, style = room.rng, room.style
    # A smaller sofa with less room before it rather than none.
    for seats, front in ((int(rng.integers(2, 4)), 1.6), (2, 1.4), (2, 1.2), (1, 1.0)):
        sofa = room.put_at_wall(seating.sofa(rng, style, seats), clear=(0.05, 0.05, front), where="middle", tries=32)
        if sofa:
            break
    else:
        return None
    back = float(sofa.model.size[1] / 2)
    table = tables.coffee_table(rng, style)
    low = room.put_beside(sofa, table, (0.0, -back - table.size[1] / 2 - float(rng.uniform(0.36, 0.5))))
    if low:
        if chance(room, 0.7):
            rug_below(room, low, float(rng.uniform(0.3, 0.5)))
        scatter(
            room,
            low,
            "table",
            some(
                room,
                {
                    tableware.cup: 0.6,
                    tableware.bowl: 0.35,
                    small_plant: 0.3,
                    electronics.laptop: 0.2,
                    tableware.bottle: 0.2,
                },
            ),
        )
        if chance(room, 0.55):
            second = (
                seating.sofa(rng, style, int(rng.integers(1, 3)))
                if chance(room, 0.5)
                else seating.padded_chair(rng, style)
            )
            side = pick(rng, (-1, 1))
            reach = table.size[0] / 2 + second.size[1] / 2 + 0.35
            room.put_beside(low, second, (side * reach, float(rng.uniform(-0.15, 0.05))), side * -np.pi / 2)
    wanted = int(rng.integers(1, 4))
    cushion = sleeping.sofa_pillow(rng, style)
    for at in ("left", "right", "back")[:wanted]:
        model = cushion if chance(room, 0.6) else sleeping.sofa_pillow(rng, style)
        _lean(room, sofa, model, at)
    if chance(room, 0.2):
        room.put_on(sofa, "seat", sleeping.blanket(rng, style))
    if chance(room, 0.6):
        hang_above(room, sofa)
    for side in (-1, 1):
        if chance(room, 0.4):
            stand = tables.nightstand(rng, style)
            x = side * (sofa.model.size[0] / 2 + stand.size[0] / 2 + 0.05)
            placed = room.put_beside(sofa, stand, (x, back - stand.size[1] / 2))
            scatter(room, placed, "nightstand", some(room, {lighting.table_lamp: 0.7, electronics.telephone: 0.2}))
            break
    return sofa


def _lean(room: RoomLayout, sofa: Placement, model, at: str) -> None:
    """Lean a cushion against a sofa's back, at its left or right end or in between."""
    surface = next(s for s in sofa.model.surfaces if s.kind == "seat")
    y = surface.y1 - model.size[1] / 2
    half = model.size[0] / 2
    x = {"left": surface.x0 + half + 0.02, "right": surface.x1 - half - 0.02}.get(
        at, float(room.rng.uniform(-0.2, 0.2))
    )
    room.put_beside(sofa, model, (x, y), z=surface.z + 0.0005, ignore_kept_free=True, on=sofa)


def hang_above(room: RoomLayout, placement: Placement) -> None:
    """Hang a picture above a piece of furniture at the wall."""
    model = decor.wall_picture(room.rng, room.style)
    room.hang(model, z=max(1.25, float(placement.model.size[2]) + 0.3), above=placement)


def _shelves(room: RoomLayout) -> None:
    rng, style = room.rng, room.style
    shelf = storage.bookshelf(rng, style)
    for _ in range(int(rng.integers(0, 3))):
        placed = room.put_at_wall(shelf if chance(room, 0.5) else storage.bookshelf(rng, style), clear=(0.0, 0.0, 0.6))
        scatter(
            room,
            placed,
            "shelf",
            some(room, {small_plant: 0.4, storage.basket: 0.3, tableware.bowl: 0.2}),
            turn=0.2,
        )
        scatter(room, placed, "top", some(room, {small_plant: 0.2, storage.crate: 0.1}), turn=0.2)
    if chance(room, 0.4):
        cabinet = room.put_at_wall(storage.dresser(rng, style), clear=(0.0, 0.0, 0.6))
        scatter(
            room,
            cabinet,
            "top",
            some(room, {lighting.table_lamp: 0.5, small_plant: 0.4, electronics.telephone: 0.3}),
        )

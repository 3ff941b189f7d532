"""Bathrooms."""

from __future__ import annotations

from ocr_hf.scenes.homes.furniture import decor, sanitary, seating, storage
from ocr_hf.scenes.homes.placement import Placement
from ocr_hf.scenes.homes.room_layout import RoomLayout
from ocr_hf.scenes.homes.rooms.common import (
    chance,
    clutter,
    entrance,
    radiators_below_windows,
    scatter,
    small_plant,
    some,
)


def furnish_bathroom(room: RoomLayout) -> None:
    """Furnish a bathroom."""
    rng, style = room.rng, room.style
    shortest = float(min(room.high - room.low))
    room.put_at_wall(
        sanitary.bathtub(rng, style, min(rng.uniform(1.2, 1.9), shortest - 0.1)), where="corner", clear=(0, 0, 0.55)
    )
    model = sanitary.toilet(rng, style)
    # Less room and more tries the second time: every kind of room gets its essentials.
    seat = room.put_at_wall(model, clear=(0.15, 0.15, 0.5)) or room.put_at_wall(
        model, clear=(0.05, 0.05, 0.45), tries=60
    )
    if seat:
        room.keep_free(seat, 0.4)
    basin = room.put_at_wall(sanitary.bathroom_sink(rng, style), clear=(0.02, 0.02, 0.55), tries=40)
    if basin is None:
        basin = room.put_at_wall(sanitary.bathroom_sink(rng, style, width=0.5), clear=(0.0, 0.0, 0.45), tries=80)
    if basin:
        room.keep_free(basin, 0.45)
        mirror = sanitary.mirror(rng, style)
        # Large or small, its middle comes to about eye height.
        room.hang(mirror, z=1.15 if mirror.size[2] > 0.7 else 1.25, above=basin)
    if chance(room, 0.6):
        washer = room.put_at_wall(sanitary.washer(rng, style), clear=(0.0, 0.0, 0.55), where="corner")
        if washer:
            room.keep_free(washer, 0.4)
            scatter(room, washer, "top", some(room, {storage.basket: 0.5, small_plant: 0.3}))
    if chance(room, 0.35):
        _cabinet(room)
    towel = sanitary.towel(rng, style)
    for _ in range(int(rng.integers(1, 4))):
        room.hang(towel, z=float(rng.uniform(0.75, 0.95)))
    radiators_below_windows(room, 0.3)
    things = {
        decor.trash_bin: 0.65,
        sanitary.bucket: 0.4,
        storage.basket: 0.4,
        seating.stool: 0.25,
        decor.heater: 0.1,
    }
    clutter(room, things)
    entrance(room)


def _cabinet(room: RoomLayout) -> Placement | None:
    chest = room.put_at_wall(storage.filing_cabinet(room.rng, room.style), clear=(0.0, 0.0, 0.4))
    scatter(room, chest, "top", some(room, {small_plant: 0.6}))
    return chest

"""Fills the openings of a room and lights it: doors, windows, curtains, ceiling lights."""

from __future__ import annotations

import numpy as np

from ocr_hf.scenes.homes.floor_plan import Opening, Wall
from ocr_hf.scenes.homes.furniture.lighting import ceiling_light
from ocr_hf.scenes.homes.furniture.openings import curtain, door, window
from ocr_hf.scenes.homes.placement import Placement, yaw_at
from ocr_hf.scenes.homes.room_layout import RoomLayout


def fill_openings(layout: RoomLayout) -> None:
    """Hang doors and windows into the openings that belong to this room (the first of an opening's two rooms)."""
    for opening in layout.openings:
        if opening.rooms[0] != layout.index:
            continue
        if opening.kind == "door":
            _hang_open_door(layout, opening)
        elif opening.kind in ("entry", "window"):
            _fill(layout, opening)


def _fill(layout: RoomLayout, opening: Opening) -> None:
    """Put a closed door or a window into its hole."""
    wall = layout.wall_of(opening)
    # 2 mm narrower on each side than the hole: faces that coincide with the wall's would flicker.
    make = window if opening.kind == "window" else door
    model = make(layout.rng, layout.style, opening.high - opening.low - 0.004, opening.z1 - opening.z0 - 0.004)
    x, y = opening.center
    layout.placements.append(Placement(model, np.array([x, y, opening.z0 + 0.002]), yaw_at(wall)))
    if opening.kind == "window" and layout.room.kind not in ("bathroom", "kitchen") and layout.rng.random() < 0.55:
        _hang_curtains(layout, wall, opening)


def _hang_curtains(layout: RoomLayout, wall: Wall, opening: Opening) -> None:
    long = layout.rng.random() < 0.4
    low, high = (0.03, 2.3) if long else (opening.z0 - 0.12, opening.z1 + 0.12)
    width = float(layout.rng.uniform(0.24, 0.34))
    model = curtain(layout.rng, layout.style, width, min(high, layout.plan.height_m - 0.02) - low)
    for edge, outward in ((opening.low, -1.0), (opening.high, 1.0)):
        across = wall.start[1 - wall.axis] + wall.inward[1 - wall.axis] * (model.size[1] / 2.0 + 0.075)
        along = edge + outward * (model.size[0] / 2.0 - 0.06)
        x, y = (along, across) if wall.axis == 0 else (across, along)
        placement = Placement(model, np.array([x, y, low]), yaw_at(wall))
        if layout.fits(placement.block, ignore_kept_free=True):
            layout.take(placement)


def _hang_open_door(layout: RoomLayout, opening: Opening) -> None:
    """Hang a door that stands open by a right angle, its hinge on the side nearer to a corner of the room."""
    wall = layout.wall_of(opening)
    ends = sorted((wall.start[wall.axis], wall.end[wall.axis]))
    model = door(layout.rng, layout.style, opening.high - opening.low - 0.02, opening.z1 - 0.004)
    hinges = [(opening.low - ends[0], opening.low, 1.0), (ends[1] - opening.high, opening.high, -1.0)]
    face = wall.start[1 - wall.axis]
    # The hinge nearer to a corner first: there an open leaf stands along the wall and least in the way. If it doesn't
    # fit open at a right angle, it is laid flat against the wall.
    for _, hinge, _side in sorted(hinges):
        for turned in (np.pi / 2, 0.0):
            away = -_side
            if turned:
                along = hinge + away * (model.size[1] / 2.0 - 0.045)
                out = model.size[0] / 2.0 + 0.02
            else:
                along = hinge + away * (model.size[0] / 2.0 + 0.06)
                out = model.size[1] / 2.0 + 0.02
            across = face + wall.inward[1 - wall.axis] * out
            x, y = (along, across) if wall.axis == 0 else (across, along)
            placement = Placement(model, np.array([x, y, 0.0]), yaw_at(wall) + turned * _side)
            if layout.fits(placement.block, ignore_kept_free=True) and layout.take(placement):
                return


def hang_ceiling_lights(layout: RoomLayout) -> list[Placement]:
    """Hang one light in a small room, a row of equal ones in a large one, in both arms of an L."""
    model = ceiling_light(layout.rng, layout.style)
    at_work = layout.room.kind in ("office", "meeting room")
    hung = []
    for low, high in _arms(layout):
        span = high - low
        area = float(span.prod())
        count = 1 + int(area > 14.0 and layout.rng.random() < 0.5) + int(at_work and area > 9.0)
        axis = int(span.argmax())
        for i in range(count):
            at = (low + high) / 2.0
            at[axis] = low[axis] + span[axis] * (i + 0.5) / count
            if placement := layout.put_on_ceiling(model, at):
                hung.append(placement)
    return hung


def _arms(layout: RoomLayout) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the room as rectangles (low, high): itself, or the two arms of an L where the second is worth a light."""
    low, high = layout.low, layout.high
    if layout.room.notch is None:
        return [(low, high)]
    missing, reflex = layout.room.notch
    first_low, first_high, second_low, second_high = low.copy(), high.copy(), low.copy(), high.copy()
    # The first arm is the part beside the notch along x over the full depth, the second what is left beside it.
    if missing[0] == low[0]:
        first_low[0], second_high[0] = reflex[0], reflex[0]
    else:
        first_high[0], second_low[0] = reflex[0], reflex[0]
    if missing[1] == low[1]:
        second_low[1] = reflex[1]
    else:
        second_high[1] = reflex[1]
    arms = [(first_low, first_high), (second_low, second_high)]
    return [arm for arm in arms if (arm[1] - arm[0]).min() > 1.0]

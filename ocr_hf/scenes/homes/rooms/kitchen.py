"""Kitchens: a run of units along the walls, cabinets above, a table."""

from __future__ import annotations

from dataclasses import replace

from ocr_hf.scenes.homes.floor_plan import Wall
from ocr_hf.scenes.homes.furniture import (
    appliances,
    belongings,
    decor,
    electronics,
    sanitary,
    seating,
    storage,
    tableware,
)
from ocr_hf.scenes.homes.materials import Finish
from ocr_hf.scenes.homes.placement import Placement
from ocr_hf.scenes.homes.primitives import block
from ocr_hf.scenes.homes.room_layout import WALL_GAP_M, RoomLayout
from ocr_hf.scenes.homes.rooms.common import (
    chance,
    clutter,
    dining_group,
    entrance,
    hang_clock,
    hang_pictures,
    radiators_below_windows,
    scatter,
    small_plant,
    some,
    tall_plant,
)
from ocr_hf.scenes.randomness import pick

RUN_DEPTH_M = 0.74
UPPER_Z_M = 1.45


def furnish_kitchen(room: RoomLayout) -> None:
    """Furnish a kitchen."""
    rng, style = room.rng, room.style
    runs = _units(room)
    dining_group(room) or _bar(room)
    for placement in runs:
        room.keep_free(placement, 0.4)
    counters = [p for p in runs if p.model.label in ("counter", "dishwasher")]
    radiators_below_windows(room, 0.4)
    if chance(room, 0.35):
        placed = room.put_at_wall(storage.dresser(rng, style), clear=(0.0, 0.0, 0.6))
        scatter(
            room,
            placed,
            "top",
            some(
                room,
                {electronics.printer: 0.1, electronics.telephone: 0.2, small_plant: 0.4, tableware.bowl: 0.4},
            ),
        )
    things = {
        appliances.microwave: 0.75,
        tableware.kettle: 0.7,
        tableware.cutting_board: 0.6,
        tableware.bowl: 0.4,
        tableware.cup: 0.6,
        tableware.bottle: 0.4,
        small_plant: 0.25,
        electronics.telephone: 0.1,
    }
    for make in [*some(room, things), *[tableware.cup] * int(rng.integers(0, 3))]:
        turn, at = (0.0, "back") if make is appliances.microwave else (float(rng.uniform(-0.4, 0.4)), "any")
        model = make(rng, style)
        for i in rng.permutation(len(counters)):
            if room.put_on(counters[i], "counter", model, turn=turn, at=at):
                break
    clutter(
        room,
        {
            decor.trash_bin: 0.8, tall_plant: 0.3, seating.stool: 0.3, sanitary.bucket: 0.2, storage.crate: 0.25,
            belongings.paper_bag: 0.3, storage.basket: 0.25, belongings.backpack: 0.15,
        },
    )  # fmt: skip
    entrance(room)
    if chance(room, 0.5):
        hang_clock(room)
    hang_pictures(room, int(rng.integers(0, 2)))


def _units(room: RoomLayout) -> list[Placement]:
    """Set a run of units along the longest free stretches of wall; return the units."""
    rng, style = room.rng, room.style
    fridge = appliances.refrigerator(rng, style)
    # Small kitchens have one counter before, between and after, large ones up to three
    area = room.area_m2
    most = 1 + int(area > 9.0) + int(area > 13.0)
    counters = [["counter"] * int(rng.integers(1, most + 1)) for _ in range(3)]
    middle = [*counters[0], "sink", *counters[1], "stove", *counters[2]]
    if area < 10.0:
        # What makes it a kitchen comes first, and takes the little wall there is
        middle = ["sink", "stove", *counters[0]] if chance(room, 0.5) else ["sink", *counters[0], "stove"]
    if area > 8.0 and chance(room, 0.45):
        middle.insert(int(rng.integers(1, 4)), "dishwasher")
    if area > 8.0 and chance(room, 0.3):
        middle.insert(pick(rng, (0, len(middle))), "washer")
    made = {
        "sink": appliances.kitchen_sink(rng, style, width=float(rng.uniform(0.55, 0.7 if area < 8.0 else 1.3))),
        "stove": appliances.stove(rng, style),
        "dishwasher": appliances.dishwasher(rng, style),
        "washer": sanitary.washer(rng, style),
        "refrigerator": fridge,
    }
    if area >= 10.0 and chance(room, 0.5):
        middle = middle[::-1]
    units = ["refrigerator", *middle] if chance(room, 0.5) or area < 10.0 else [*middle, "refrigerator"]
    if area > 8.0 and chance(room, 0.2):
        units.append("oven")
        made["oven"] = appliances.oven_tower(rng, style)
    wanted = set(units) - {"counter"}
    runs: list[Placement] = []
    while units:
        spans = [
            (high - low, wall, low, high)
            for wall in room.room.walls
            for low, high in room.free_spans(wall, RUN_DEPTH_M, 1.0)
        ]
        longest = max(spans, key=lambda span: span[0], default=None)
        if longest is None or longest[0] < 0.62:
            break
        placed, units = _fill_run(room, longest[1], longest[2], longest[3], units, made)
        if not placed:
            break
        runs += placed
    # What found no place in a run stands alone: a kitchen without a refrigerator is no kitchen. Sorted, because the
    # order of a set of strings changes with every process.
    for name in sorted(wanted - {p.model.label for p in runs}):
        placement = room.put_at_wall(made[name], clear=(0.0, 0.0, 0.6), where="corner", tries=40)
        placement = placement or room.put_at_wall(made[name], clear=(0.0, 0.0, 0.4), tries=80)
        if placement:
            runs.append(placement)
    for placement in runs:
        _above(room, placement)
    return runs


def _fill_run(
    room: RoomLayout, wall: Wall, low: float, high: float, units: list[str], made: dict
) -> tuple[list[Placement], list[str]]:
    """Stand as many units as fit side by side between two points of a wall; return them and the units left over."""
    # 4 mm between units, so that no two faces coincide.
    fixed = {name: float(model.size[0]) + 0.004 for name, model in made.items()}
    taken: list[str] = []
    for name in units:
        widths = sum(fixed.get(unit, 0.35) for unit in [*taken, name])
        if widths > high - low:
            break
        taken.append(name)
    left = units[len(taken) :] if taken else []
    spare = high - low - sum(fixed.get(unit, 0.0) for unit in taken)
    # Two worktops of less than 0.55 m are worth less than one wide one.
    while taken.count("counter") > 1 and spare / taken.count("counter") < 0.55:
        taken.remove("counter")
    count = sum(unit == "counter" for unit in taken)
    width = min(spare / count - 0.004, float(room.rng.uniform(0.6, 1.3))) if count else 0.0
    s = low if chance(room, 0.5) else high - sum(fixed.get(unit, width + 0.004) for unit in taken)
    placed = []
    for name in taken:
        model = made[name] if name in made else appliances.counter(room.rng, room.style, width)
        step = float(model.size[0]) + 0.004
        placement = room.put_at(wall, s + step / 2.0, model)
        s += step
        if placement:
            placed.append(placement)
    return placed, left


def _above(room: RoomLayout, placement: Placement) -> None:
    """Hang what belongs above a unit: a hood over the stove, cabinets and tiles over counters."""
    rng, style = room.rng, room.style
    label, width = placement.model.label, float(placement.model.size[0])
    if label in ("counter", "sink", "stove", "dishwasher"):
        _tile_wall(room, placement)
    if label == "stove":
        room.hang(appliances.exhaust_fan(rng, style, width), z=1.62, above=placement)
        room.put_on(placement, "burner", tableware.pan(rng, style), turn=0.0) if chance(room, 0.6) else None
    elif label in ("counter", "dishwasher", "sink") and width > 0.4 and chance(room, 0.7):
        room.hang(appliances.wall_cabinet(rng, style, width - 0.004), z=UPPER_Z_M, above=placement)


def _tile_wall(room: RoomLayout, placement: Placement) -> None:
    """Tile the wall behind a unit, as high as the wall cabinets or only up to a window."""
    body = placement.block
    for top in (UPPER_Z_M, 1.1):
        wall = replace(body.grown(front=0.1 - body.depth), z0=1.0, z1=top)
        if room.fits(wall, on=placement):
            back, half = body.depth / 2.0 + WALL_GAP_M, body.width / 2.0 + 0.002
            tiles = block(-half, half, back - 0.006, back + 0.002, 0.90, top)
            room.fixtures.append((Finish("subway", (0.92, 0.93, 0.92)), tiles.turned(body.yaw).moved(body.x, body.y)))
            return


def _bar(room: RoomLayout) -> None:
    """Stand a stool or two where there is no room for a table."""
    stool = seating.stool(room.rng, room.style)
    for _ in range(2):
        room.put_at_wall(stool, clear=(0.0, 0.0, 0.2))

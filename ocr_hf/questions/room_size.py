"""room_size_estimation: the floor area of the rooms that are shown."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import shapely

from ocr_hf.questions.clip_visibility import Shown
from ocr_hf.questions.family import QuestionContext
from ocr_hf.questions.inventory import Inventory
from ocr_hf.questions.question import Question
from ocr_hf.questions.question_types import QuestionType
from ocr_hf.questions.templates import TEMPLATES, render
from ocr_hf.questions.wording import metres, one_decimal
from ocr_hf.scenes.scene import Room

MIN_SHARE_SHOWN = 0.5
"""A room counts as shown if the clip clearly shows at least this share of its objects, and as not shown if it shows
none of them at all; in between its size can't be asked (ours)."""
RECTANGULAR = 0.99
"""A floor that fills this much of its bounding rectangle is called rectangular (ours)."""


class RoomSize(QuestionType):
    """Asks for the floor area in square metres, one decimal; with a visibility rule that of the rooms shown.

    queried_objects: none. context_objects: everything shown, since it tells how far the walls are apart.
    """

    question_type = "room_size_estimation"
    help = "the floor area of the rooms that are shown"
    limit = 1
    unit = "m2"
    template = TEMPLATES["room_size_estimation"]

    def candidates(self, inventory: Inventory, rng: np.random.Generator) -> Iterator[tuple[str, ...]]:
        yield ()

    def check(self, inventory: Inventory, arguments: tuple[str, ...]) -> str | None:
        shares = _shares_shown(inventory)
        if any(share is None for share in shares.values()):
            return "a room without objects may or may not be shown"
        if any(0.0 < share < MIN_SHARE_SHOWN for share in shares.values()):
            return "a room is shown only in part"
        if not any(shares.values()):
            return "no room is shown"
        area = _area(inventory)
        return None if area is not None and np.isfinite(area) and area > 0.0 else "floor area is unknown"

    def solve(self, inventory: Inventory, arguments: tuple[str, ...]) -> str:
        return one_decimal(_area(inventory))

    def ask(self, inventory: Inventory, arguments: tuple[str, ...], context: QuestionContext) -> Question:
        answer, words = self.solve(inventory, arguments), context.wording
        rooms = _rooms_shown(inventory)
        sentences = [
            words.pick(
                "I reconstruct the floor plan from the walls and from how the furniture is spread.",
                "To estimate the floor area I put the views together into one floor plan.",
            ),
            *(_describe(room, many=len(rooms) > 1) for room in rooms),
        ]
        if not rooms:
            long, short = _rectangle(shapely.union_all([_outline(item.box) for item in inventory.objects]))
            sentences.append(f"What stands in it spreads over {metres(long)} by {metres(short)}.")
        areas = [_polygon(room).area for room in rooms]
        # Not where a stated area wins (see _area): the reasoning would add up to another number than the answer.
        if len(rooms) > 1 and abs(sum(areas) - _area(inventory)) < 0.05:
            sentences.append(" + ".join(f"{area:.2f}" for area in areas) + f" = {sum(areas):.2f}.")
        sentences.append(
            words.pick(f"The floor area is about {answer} m2.", f"So about {answer} square meters of floor.")
        )
        return Question(
            question_type=self.question_type,
            question=render(self.question_type, arguments),
            options=None,
            ground_truth=answer,
            reasoning=words.reasoning(sentences, answer),
            queried_objects=(),
            context_objects=tuple(
                sorted(item.id for item in inventory.scene.objects if inventory.shown[item.id] == Shown.CLEARLY)
            ),
        )


def _shares_shown(inventory: Inventory) -> dict[int, float | None]:
    """Return for each room (0 where rooms are unknown) the share of its objects that is shown; None if it has none.

    An object that is only glimpsed makes a room that shows nothing else a partly shown one.
    """
    scene = inventory.scene
    rooms = list(range(max(1, len(scene.rooms))))
    if inventory.footprints is None or inventory.config.visibility is None:
        return dict.fromkeys(rooms, 1.0)
    inside: dict[int, list[Shown]] = {room: [] for room in rooms}
    polygons = [_polygon(room) for room in scene.rooms]
    for item in scene.objects:
        centre = shapely.Point(item.box.center[:2])
        # The nearest room, not the one around it: doors and wall pictures have their centres in a wall.
        nearest = int(np.argmin(shapely.distance(polygons, centre))) if polygons else 0
        inside[nearest].append(inventory.shown[item.id])
    shares: dict[int, float | None] = {}
    for room, states in inside.items():
        share = np.mean([state == Shown.CLEARLY for state in states]) if states else None
        # Any share below MIN_SHARE_SHOWN would do: it marks the room as shown in part.
        shares[room] = 0.01 if share == 0.0 and Shown.BARELY in states else share
    return shares


def _rooms_shown(inventory: Inventory) -> list[Room]:
    shares = _shares_shown(inventory)
    return [room for index, room in enumerate(inventory.scene.rooms) if shares[index]]


def _area(inventory: Inventory) -> float | None:
    rooms, scene = _rooms_shown(inventory), inventory.scene
    # With all rooms shown the stated area wins over the polygons' sum: scans state it, and their outlines are rough.
    if len(rooms) == len(scene.rooms) and scene.floor_area_m2 is not None:
        return scene.floor_area_m2
    return float(sum(_polygon(room).area for room in rooms)) if rooms else None


def _polygon(room: Room) -> shapely.Polygon:
    return shapely.Polygon(room.polygon)


def _outline(box) -> shapely.Geometry:
    return shapely.MultiPoint(box.corners()[:, :2]).convex_hull


def _rectangle(shape: shapely.Geometry) -> tuple[float, float]:
    """Return the longer and the shorter side of the rectangle of least area around a shape, metres.

    One of its sides lies along an edge of the convex hull; of several that are equally small it is the longest.
    """
    corners = np.array(shape.convex_hull.exterior.coords)
    edges = np.diff(corners, axis=0)
    along = edges / np.linalg.norm(edges, axis=1, keepdims=True)
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    sides = np.stack([np.ptp(corners @ along.T, axis=0), np.ptp(corners @ across.T, axis=0)], axis=1)
    areas = sides.prod(axis=1)
    smallest = sides[areas <= areas.min() * (1.0 + 1e-9)]
    return float(smallest.max()), float(areas.min() / smallest.max())


def _describe(room: Room, many: bool) -> str:
    shape = _polygon(room)
    long, short = _rectangle(shape)
    name = f"the {room.name}" if many else "the room"
    if shape.area >= RECTANGULAR * long * short:
        return f"{name.capitalize()} is about {metres(long)} long and {metres(short)} wide."
    return (
        f"{name.capitalize()} fits into a rectangle of {metres(long)} by {metres(short)}, of which about "
        f"{one_decimal(shape.area)} m2 are floor."
    )

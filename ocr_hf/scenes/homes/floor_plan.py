"""Floor plans: one to four rooms, the walls between them, doors to walk through, windows.

A slicing floor plan: the rectangle of the home is cut recursively in proportion to the rooms' areas, some small rooms
are set into a corner of a large one (which becomes an L), and plans with a room out of proportion are rejected.
Walls run along x or y. Plans are laid out on the walls' centre lines; a room's polygon lies between the faces.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ocr_hf.scenes.randomness import pick

DOOR_HEIGHT_M = (1.8, 2.45)
"""Range of the height of the doors of a home."""
AREA_TRIES = 200
"""Plans tried with one floor area before another is drawn: some areas can't be divided among any kinds of rooms."""


@dataclass(frozen=True)
class RoomNeeds:
    """How large a kind of room may be: shortest side and range of area, metres and m2 on the walls' centre lines."""

    min_side_m: float
    area_m2: tuple[float, float]


NEEDS = {
    "living room": RoomNeeds(3.1, (12.0, 60.0)),
    "bedroom": RoomNeeds(2.45, (7.0, 34.0)),
    "kitchen": RoomNeeds(2.3, (7.0, 30.0)),
    "bathroom": RoomNeeds(1.75, (4.0, 14.0)),
    "office": RoomNeeds(2.3, (6.0, 42.0)),
    "meeting room": RoomNeeds(3.0, (11.0, 60.0)),
}
ROOM_SHARES = (0.5, 0.2, 0.17, 0.13)
"""How many homes have one, two, three and four rooms. Half are single rooms, as most scans are."""
_QUANTILES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
HOME_AREA_M2 = {
    1: (6.0, 6.9, 8.9, 13.8, 22.3, 35.0, 60.0),
    2: (11.5, 13.0, 15.5, 21.0, 30.0, 41.0, 58.0),
    3: (19.0, 21.0, 24.0, 29.0, 35.0, 42.0, 54.0),
    4: (27.0, 29.0, 33.0, 38.0, 43.0, 49.0, 60.0),
}
"""Floor area of a home by its number of rooms, at _QUANTILES. Together with ROOM_SHARES it is spread as the areas of
VSI-Bench's scenes are (tenth, fiftieth, ninetieth percentile 8, 17.5, 38 m2), from 6 to 60 m2."""
HOMES: dict[int, tuple[tuple[str, ...], ...]] = {
    1: (
        ("living room",),
        ("bedroom",),
        ("bedroom",),
        ("kitchen",),
        ("office",),
        ("meeting room",),
        ("living room",),
        ("bathroom",),
    ),
    2: (
        ("living room", "kitchen"),
        ("bedroom", "bathroom"),
        ("living room", "bedroom"),
        ("office", "meeting room"),
        ("kitchen", "bathroom"),
    ),
    3: (
        ("living room", "bedroom", "bathroom"),
        ("living room", "kitchen", "bedroom"),
        ("living room", "kitchen", "office"),
        ("bedroom", "office", "bathroom"),
        ("living room", "kitchen", "bathroom"),
    ),
    4: (
        ("living room", "kitchen", "bedroom", "bathroom"),
        ("living room", "kitchen", "bedroom", "bathroom"),
        ("living room", "bedroom", "office", "bathroom"),
        ("living room", "kitchen", "office", "bathroom"),
        ("living room", "bedroom", "bedroom", "bathroom"),
    ),
}
"""Which rooms make up a home, by their number."""


@dataclass(frozen=True, eq=False)
class Wall:
    """One face of a wall, seen from inside its room.

    start, end : (2,) metres, the room on the left hand; line : where the wall's centre lies across its direction
    """

    start: np.ndarray
    end: np.ndarray
    line: float

    @cached_property
    def length(self) -> float:
        """Length of the face, metres."""
        return float(np.abs(self.end - self.start).sum())

    @cached_property
    def along(self) -> np.ndarray:
        """Unit vector from start to end."""
        return (self.end - self.start) / self.length

    @cached_property
    def inward(self) -> np.ndarray:
        """Unit vector into the room."""
        x, y = self.along
        return np.array([-y, x])

    @cached_property
    def axis(self) -> int:
        """The axis the wall runs along: 0 = x, 1 = y."""
        return int(abs(self.along[1]) > 0.5)


@dataclass(frozen=True, eq=False)
class Opening:
    """A hole in a wall.

    kind : "door" (with a leaf), "passage" (without), "entry" (a closed door to the outside), "window"
    axis : the axis its wall runs along; line : the wall's centre across it
    low, high : extent along the wall; z0, z1 : extent upwards, metres
    rooms : the rooms on both sides; the second is None outside
    """

    kind: str
    axis: int
    line: float
    low: float
    high: float
    z0: float
    z1: float
    rooms: tuple[int, int | None]

    @property
    def center(self) -> np.ndarray:
        """(2,) centre on the wall's centre line, metres."""
        middle = (self.low + self.high) / 2.0
        return np.array([middle, self.line] if self.axis == 0 else [self.line, middle])

    def in_wall(self, wall: Wall) -> bool:
        """True if this opening is a hole in that face."""
        if self.axis != wall.axis or abs(self.line - wall.line) > 1e-6:
            return False
        ends = sorted((wall.start[self.axis], wall.end[self.axis]))
        return ends[0] - 1e-6 <= self.low and self.high <= ends[1] + 1e-6


@dataclass(frozen=True, eq=False)
class RoomPlan:
    """One room: its kind and the faces of its walls, counter-clockwise."""

    kind: str
    walls: tuple[Wall, ...]

    @property
    def polygon(self) -> np.ndarray:
        """(N, 2) float64 outline between the wall faces, counter-clockwise."""
        return np.array([wall.start for wall in self.walls])

    @property
    def notch(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Of an L: the corner (2,) of its bounding rectangle that it lacks, and its inner corner (2,); else None."""
        polygon = self.polygon
        if len(polygon) == 4:
            return None
        low, high = polygon.min(axis=0), polygon.max(axis=0)
        corners = np.array([[low[0], low[1]], [high[0], low[1]], [high[0], high[1]], [low[0], high[1]]])
        missing = next(corner for corner in corners if np.abs(polygon - corner).sum(axis=1).min() > 1e-9)
        inner = next(point for point in polygon if ((point != low) & (point != high)).all())
        return missing, inner


@dataclass(frozen=True, eq=False)
class FloorPlan:
    """All rooms of a home."""

    rooms: tuple[RoomPlan, ...]
    openings: tuple[Opening, ...]
    thickness_m: float
    height_m: float
    cells: tuple[np.ndarray, ...] = field(repr=False, default=())


def sample_floor_plan(rng: np.random.Generator, count: int) -> FloorPlan:
    """Sample a plan of `count` rooms (1 to 4) in which every room can be reached from every other."""
    if count not in HOMES:
        raise ValueError(f"rooms is {count}; procedural homes have 1 to 4 rooms")
    # Rejection sampling: repairing bad plans instead would favour some layouts over others.
    tries = 0
    while True:
        # Drawn once for many tries: were it drawn anew each time, areas that are hard to divide would become rare.
        if tries % AREA_TRIES == 0:
            area_m2 = float(np.interp(rng.random(), _QUANTILES, HOME_AREA_M2[count]))
        tries += 1
        kinds = list(pick(rng, HOMES[count]))
        cells = _sample_cells(rng, kinds, area_m2)
        if cells is None:
            continue
        kinds, outlines = zip(*cells, strict=True)
        thickness = float(rng.uniform(0.10, 0.18))
        rooms = tuple(RoomPlan(kind, _walls(outline, thickness)) for kind, outline in cells)
        height_m = float(rng.uniform(2.4, 3.1))
        # At least 8 cm of wall above a door and its frame
        door_m = min(float(rng.uniform(*DOOR_HEIGHT_M)), height_m - 0.08)
        doors = _sample_doors(rng, rooms, door_m)
        if doors is None:
            continue
        openings = doors + _sample_entry_and_windows(rng, rooms, doors, door_m)
        return FloorPlan(rooms, tuple(openings), thickness, height_m, outlines)


def _sample_cells(rng: np.random.Generator, kinds: list[str], area_m2: float) -> list[tuple[str, np.ndarray]] | None:
    """Return (kind, outline on centre lines) per room, or None where a room came out too small, large or narrow."""
    # Logarithms: a room is as likely between 6 and 12 m2 as between 12 and 24.
    wanted = np.array([np.exp(rng.uniform(*np.log(NEEDS[kind].area_m2))) for kind in kinds])
    areas = wanted * area_m2 / wanted.sum()
    if any(not low <= area <= high for area, (low, high) in zip(areas, (NEEDS[k].area_m2 for k in kinds), strict=True)):
        return None
    aspect = float(np.exp(rng.uniform(*np.log((0.8, 1.25)))))
    width = np.sqrt(area_m2 * aspect)
    home = (0.0, 0.0, float(width), float(area_m2 / width))
    # Which rooms become neighbours is decided by their order alone: the cuts below go through it.
    order = rng.permutation(len(kinds))
    cells = _split(rng, home, [(kinds[i], float(areas[i])) for i in order])
    for kind, outline in cells:
        span = np.ptp(outline, axis=0)
        if span.min() < NEEDS[kind].min_side_m or span.max() > 2.6 * span.min():
            return None
    return cells


def _split(
    rng: np.random.Generator, rect: tuple[float, float, float, float], rooms: list[tuple[str, float]]
) -> list[tuple[str, np.ndarray]]:
    """Divide a rectangle (x0, y0, x1, y1) among rooms (kind, area), by cuts and by rooms set into a corner."""
    x0, y0, x1, y1 = rect
    if len(rooms) == 1:
        if rooms[0][1] > 16.0 and rng.random() < 0.3:
            return [(rooms[0][0], _outline(rect, _corner(rng, rect, rng.uniform(0.25, 0.38), rng.uniform(0.25, 0.38))))]
        return [(rooms[0][0], _outline(rect))]
    total = sum(area for _, area in rooms)
    small = min(rooms, key=lambda room: room[1])
    if len(rooms) == 2 and small[1] < 0.27 * total and rng.random() < 0.7:
        part = np.sqrt(small[1] / total)
        stretch = rng.uniform(0.9, 1.1)
        notch = _corner(rng, rect, part * stretch, part / stretch)
        large = rooms[0] if rooms[1] is small else rooms[1]
        return [(large[0], _outline(rect, notch)), (small[0], _outline(notch))]
    # Squarified in spirit: always across the longer side, so that rooms don't become corridors.
    cut = int(rng.integers(1, len(rooms)))
    share = sum(area for _, area in rooms[:cut]) / total
    if x1 - x0 > y1 - y0:
        middle = x0 + (x1 - x0) * share
        halves = (x0, y0, middle, y1), (middle, y0, x1, y1)
    else:
        middle = y0 + (y1 - y0) * share
        halves = (x0, y0, x1, middle), (x0, middle, x1, y1)
    return _split(rng, halves[0], rooms[:cut]) + _split(rng, halves[1], rooms[cut:])


def _corner(rng: np.random.Generator, rect, part_x: float, part_y: float) -> tuple[float, float, float, float]:
    """Return the rectangle in a random corner of `rect` that takes these parts of its sides."""
    x0, y0, x1, y1 = rect
    width, depth = (x1 - x0) * part_x, (y1 - y0) * part_y
    left, bottom = pick(rng, (True, False)), pick(rng, (True, False))
    return (
        x0 if left else x1 - width, y0 if bottom else y1 - depth,
        x0 + width if left else x1, y0 + depth if bottom else y1,
    )  # fmt: skip


def _outline(rect, notch=None) -> np.ndarray:
    """Return the counter-clockwise outline of a rectangle, less a notch that shares one of its corners."""
    x0, y0, x1, y1 = rect
    if notch is None:
        return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
    a0, b0, a1, b1 = notch
    corners = {
        (True, True): [[a1, y0], [x1, y0], [x1, y1], [x0, y1], [x0, b1], [a1, b1]],
        (False, True): [[x0, y0], [a0, y0], [a0, b1], [x1, b1], [x1, y1], [x0, y1]],
        (False, False): [[x0, y0], [x1, y0], [x1, b0], [a0, b0], [a0, y1], [x0, y1]],
        (True, False): [[x0, y0], [x1, y0], [x1, y1], [a1, y1], [a1, b0], [x0, b0]],
    }
    return np.array(corners[(a0 == x0, b0 == y0)])


def _walls(outline: np.ndarray, thickness: float) -> tuple[Wall, ...]:
    """Return the faces of a room whose walls are centred on `outline`."""
    following = np.roll(outline, -1, axis=0)
    direction = following - outline
    direction = direction / np.abs(direction).sum(axis=1, keepdims=True)
    inward = np.stack([-direction[:, 1], direction[:, 0]], axis=1)
    # Offsetting each corner along both its walls' normals is exact for right angles, convex or not.
    corner = outline + thickness / 2.0 * (inward + np.roll(inward, 1, axis=0))
    walls = []
    for i in range(len(outline)):
        across = 1 - int(abs(direction[i, 1]) > 0.5)
        walls.append(Wall(corner[i], corner[(i + 1) % len(corner)], float(outline[i, across])))
    return tuple(walls)


def _shared(first: Wall, second: Wall) -> tuple[float, float] | None:
    """Return the extent along the wall where two faces are the two sides of one wall."""
    if first.axis != second.axis or abs(first.line - second.line) > 1e-6 or first.along @ second.along > 0.0:
        return None
    axis = first.axis
    a, b = sorted((first.start[axis], first.end[axis])), sorted((second.start[axis], second.end[axis]))
    low, high = max(a[0], b[0]), min(a[1], b[1])
    return (low, high) if high > low else None


def _sample_doors(rng: np.random.Generator, rooms: tuple[RoomPlan, ...], door_m: float) -> list[Opening] | None:
    """Return openings that join all rooms, None where they cannot be joined."""
    candidates = []
    for i in range(len(rooms)):
        for j in range(i + 1, len(rooms)):
            spans = [
                (span, a)
                for a in rooms[i].walls
                for b in rooms[j].walls
                if (span := _shared(a, b)) and span[1] - span[0] > 1.3
            ]
            if spans:
                span, wall = max(spans, key=lambda item: item[0][1] - item[0][0])
                through = {rooms[i].kind, rooms[j].kind}
                # Bathrooms should be leaves of the tree, living rooms its hub.
                cost = 3.0 * ("bathroom" in through) + 2.0 * (through == {"bathroom", "kitchen"})
                cost -= 1.5 * ("living room" in through)
                candidates.append((cost + rng.random(), i, j, span, wall))
    # Kruskal's algorithm: the cheapest doors that join the rooms into one, and some that close a loop.
    group = list(range(len(rooms)))
    doors: list[Opening] = []
    for _, i, j, span, wall in sorted(candidates, key=lambda item: item[0]):
        private = "bathroom" in (rooms[i].kind, rooms[j].kind)
        if group[i] == group[j] and (private or rng.random() < 0.6):
            continue
        group = [group[i] if g == group[j] else g for g in group]
        open_plan = {rooms[i].kind, rooms[j].kind} == {"living room", "kitchen"} and span[1] - span[0] > 2.2
        wide = open_plan and rng.random() < 0.5
        width = rng.uniform(1.2, 1.7) if wide else rng.uniform(0.82, 0.92)
        height = max(2.2, door_m) if wide else door_m
        near_end = rng.uniform(0.14, 0.30)
        low = pick(
            rng, (span[0] + near_end, span[1] - near_end - width, rng.uniform(span[0] + 0.14, span[1] - 0.14 - width))
        )
        kind = "passage" if wide or (not private and rng.random() < 0.15) else "door"
        doors.append(Opening(kind, wall.axis, wall.line, float(low), float(low + width), 0.0, height, (i, j)))
    return doors if len(set(group)) == 1 else None


def _sample_entry_and_windows(
    rng: np.random.Generator, rooms: tuple[RoomPlan, ...], doors: list[Opening], door_m: float
) -> list[Opening]:
    """Return one to three closed doors to the outside and windows in the outer walls."""
    openings: list[Opening] = []
    hub = max(
        range(len(rooms)), key=lambda i: sum(i in door.rooms for door in doors) + 0.1 * ("living" in rooms[i].kind)
    )
    for kind, index in [("entry", hub), *(("window", i) for i in range(len(rooms)))]:
        spans = _outer_spans(rooms, index)
        spans = [spans[i] for i in rng.permutation(len(spans))]
        # Some rooms have further closed doors, to a corridor or a cupboard
        if kind == "entry":
            wanted = 1 + int(rng.choice(3, p=(0.75, 0.1, 0.15)))
        else:
            wanted = {"bathroom": 1}.get(rooms[index].kind, int(rng.integers(1, 6)))
        for wall, low, high in spans:
            if wanted == 0:
                break
            opening = _sample_opening(rng, kind, wall, low, high, index, rooms[index].kind, door_m)
            if opening and not any(_too_close(opening, other) for other in doors + openings):
                openings.append(opening)
                wanted -= 1
    return openings


def _sample_opening(
    rng, kind: str, wall: Wall, low: float, high: float, room: int, room_kind: str, door_m: float
) -> Opening | None:
    if kind == "entry":
        width, z0, z1, margin = rng.uniform(0.82, 1.05), 0.0, door_m, 0.2
    elif room_kind == "bathroom":
        width, z0, z1, margin = rng.uniform(0.4, 0.95), rng.uniform(1.1, 1.45), rng.uniform(1.9, 2.2), 0.3
    elif room_kind == "kitchen":
        width, z0, z1, margin = rng.uniform(0.6, 1.8), 1.16, rng.uniform(1.85, 2.3), 0.3
    else:
        width, z0, z1, margin = rng.uniform(0.6, 2.4), rng.uniform(0.78, 1.05), rng.uniform(1.85, 2.3), 0.3
    if high - low < width + 2 * margin:
        return None
    start = float(rng.uniform(low + margin, high - margin - width))
    return Opening(kind, wall.axis, wall.line, start, start + float(width), z0, z1, (room, None))


def _too_close(first: Opening, second: Opening) -> bool:
    if first.axis != second.axis or abs(first.line - second.line) > 1e-6:
        return False
    return first.low < second.high + 0.25 and second.low < first.high + 0.25


def _outer_spans(rooms: tuple[RoomPlan, ...], index: int) -> list[tuple[Wall, float, float]]:
    """Return (wall, low, high) for the stretches of a room's walls that have no room behind them."""
    spans = []
    for wall in rooms[index].walls:
        low, high = sorted((wall.start[wall.axis], wall.end[wall.axis]))
        taken = sorted(
            span for i, other in enumerate(rooms) if i != index for face in other.walls if (span := _shared(wall, face))
        )
        for start, end in taken:
            if start - low > 0.3:
                spans.append((wall, low, start - 0.2))
            low = max(low, end + 0.2)
        if high - low > 0.3:
            spans.append((wall, low, high))
    return spans

"""A route across the free floor that passes through all rooms and comes near to most things in them."""

from __future__ import annotations

import numpy as np

from ocr_hf.scenes.cameras.free_floor import FreeFloor
from ocr_hf.scenes.scene import Scene

CANDIDATES = 250
"""How many places are tried."""
MAX_STOPS, M2_PER_STOP = 14, 6.0
"""Stops of a tour: so many, on a large floor one for so many square metres."""
SPACING_M = 0.05
"""Distance between the points of a route."""


def plan_tour(
    scene: Scene, floor: FreeFloor, lengths_m: tuple[float, float, float], rng: np.random.Generator
) -> np.ndarray:
    """Return a route (N, 2) on `floor`, points about SPACING_M apart.

    lengths_m : the least length, the greatest to be reached for the sake of further places, the greatest to be
        reached for the sake of further rooms
    It visits every room that `floor` reaches, and as many further places, far from each other, as fit; if that is
    less than the least length it goes on to further places. ValueError where no floor is free.
    """
    least, comfortable, most = lengths_m
    # Orienteering by trial: the longest prefix of the stops whose tour fits the time. Rooms come first in the list, so
    # dropping stops from the end gives up details before rooms.
    stops, rooms = _stops(scene, floor, rng)
    costs = _costs(floor, stops)
    route = stops[:1]
    for count in range(len(stops), 0, -1):
        limit = comfortable if count > rooms else most
        # With rooms alone every start is tried: where a walk begins can decide whether it reaches all of them.
        starts = [int(rng.integers(rooms))] if count > rooms else list(rng.permutation(count))
        routes = (_join(floor, stops[_order(costs, list(range(count)), int(first))]) for first in starts)
        fitting = next((route for route in routes if _length(route) <= limit), None)
        if fitting is not None:
            route = fitting
            break
    # Clips longer than the rooms need: go on to random stops. 40 rounds bound the loop where no stop fits any more.
    for _ in range(40 if len(stops) > 1 else 0):
        if _length(route) >= least:
            break
        for stop in rng.permutation(len(stops)):
            leg = _join(floor, np.stack([route[-1], stops[stop]]))
            if _length(route) < least and _length(route) + _length(leg) <= max(comfortable, least):
                route = np.vstack([route, leg[1:]])
    return relaxed(floor, route)


def _stops(scene: Scene, floor: FreeFloor, rng: np.random.Generator) -> tuple[np.ndarray, int]:
    """Return places (N, 2), each far from those before it, and how many come first for being in a room each."""
    clearance = floor.clearance_m[floor.grid]
    if len(clearance) == 0:
        raise ValueError("no floor is free here; make the walker's radius smaller or check the scene's floor")
    # The wide parts of the floor, but never fewer than a fifth of it.
    wide = clearance >= min(0.25, float(np.quantile(clearance, 0.8)))
    choice = rng.permutation(np.flatnonzero(wide))[:CANDIDATES]
    from shapely import Polygon, contains_xy

    # The widest place of each room first: a narrow room has none among the candidates.
    widest = []
    for room in scene.rooms:
        inside = np.flatnonzero(contains_xy(Polygon(room.polygon), *floor.free_points.T))
        if len(inside):
            widest.append(int(inside[clearance[inside].argmax()]))
    choice = np.concatenate([np.array(widest, dtype=int), choice])
    places, room_to_move = floor.free_points[choice], clearance[choice]
    chosen = list(range(len(widest)))
    if not chosen:
        chosen = [int(room_to_move.argmax())]
    rooms = len(chosen)
    most = max(MAX_STOPS, int(floor.area_m2 / M2_PER_STOP))
    while len(chosen) < min(most, len(places)):
        # Farthest-point sampling (Gonzalez 1985), until stops would be closer than 0.7 m: less is the same view.
        distance = np.linalg.norm(places[:, None] - places[chosen], axis=2).min(axis=1)
        # Rounded: the last bits must not decide between places that are equally far away.
        best = int(distance.round(6).argmax())
        if distance[best] < 0.7:
            break
        chosen.append(best)
    return places[chosen], rooms


def _costs(floor: FreeFloor, stops: np.ndarray) -> np.ndarray:
    """Return the cost (N, N) of the route between every two stops."""
    cells = floor.cells(stops)
    index = floor.numbers[cells[:, 0], cells[:, 1]]
    return np.array([floor.distances(stop)[index] for stop in stops])


def _order(costs: np.ndarray, stops: list[int], first: int) -> list[int]:
    """Return the stops in an order that makes a short walk from `first`: nearest neighbour, then 2-opt."""
    order, left = [first], [stop for stop in stops if stop != first]
    while left:
        order.append(min(left, key=lambda stop: costs[order[-1], stop]))
        left.remove(order[-1])
    improved = True
    while improved:
        improved = False
        for i in range(1, len(order) - 1):
            for j in range(i + 1, len(order)):
                turned = order[:i] + order[i : j + 1][::-1] + order[j + 1 :]
                # The margin keeps rounding from reversing the same stretch back and forth for ever.
                if costs[turned[:-1], turned[1:]].sum() < costs[order[:-1], order[1:]].sum() - 1e-9:
                    order, improved = turned, True
    return order


def _join(floor: FreeFloor, stops: np.ndarray) -> np.ndarray:
    """Return the corners (N, 2) of the shortest routes through the stops, in their order."""
    route = stops[:1]
    for stop in stops[1:]:
        leg = floor.shortest_path(route[-1], stop)
        if leg is not None:
            route = np.vstack([route, leg[1:]])
    return route


def _length(route: np.ndarray) -> float:
    return float(np.linalg.norm(np.diff(route, axis=0), axis=1).sum())


def relaxed(floor: FreeFloor, corners: np.ndarray, rounds: int = 60) -> np.ndarray:
    """Return the route through `corners` (N, 2) as points SPACING_M apart, its bends rounded where the floor allows."""
    steps = np.linalg.norm(np.diff(corners, axis=0), axis=1)
    length = np.concatenate([[0.0], np.cumsum(steps)])
    count = max(2, int(np.ceil(length[-1] / SPACING_M)) + 1)
    at = np.linspace(0.0, length[-1], count)
    route = np.stack([np.interp(at, length, corners[:, axis]) for axis in (0, 1)], axis=1)
    for _ in range(rounds if count > 2 else 0):
        moved = route.copy()
        # Laplacian smoothing; a point that would leave the free floor stays where it is.
        moved[1:-1] = 0.5 * route[1:-1] + 0.25 * (route[:-2] + route[2:])
        route = np.where(floor.contains(moved)[:, None], moved, route)
    return route

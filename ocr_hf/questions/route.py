"""A simulated robot that follows route instructions on a floor: `route_planning` plans and checks options with it.

The official routes were written by people; the rules here are ours. A turn is a quarter or half turn on the spot, and
people say "turn left" for whatever lies more to the left than ahead or behind. So the robot turns to face the thing
that it is to go to next if that lies within 45 degrees of the turn's exact direction and nothing is in the way, and
takes the exact direction otherwise. It drives straight until the thing is within reach or the way is blocked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np
import shapely

ROBOT_RADIUS_M = 0.25
REACH_M = 0.55
"""The robot has come to a thing when its centre is this near to the thing's outline on the floor plan, with no wall in
between: its own radius and 0.3 m, which lets it reach what stands on a low table or hangs above a shelf."""
SECTOR_DEG = 45.0
STEP_M = 0.05
STRETCH = 24
"""Steps that are tested together (for speed only)."""
MAX_DRIVE_M = 20.0
TURNS = {"Turn Left": 90.0, "Turn Right": -90.0, "Turn Back": 180.0}
"""An official option's words -> exact turn in degrees, counter-clockwise."""


class Floor(Protocol):
    """Where the robot's centre can be: scenes.free_floor.FreeFloor, or a stand-in for it."""

    def contains(self, points: np.ndarray) -> np.ndarray:
        """Return (N,) bool for points (N, 2)."""
        ...


@dataclass(frozen=True)
class Map:
    """What the robot moves on.

    floor : where its centre can be
    walls : lines in the floor plan that it can't reach through
    outlines : label -> outline on the floor plan of the category's only instance
    places : filled as asked for: label -> (N, 2) places where the robot is free and at this thing
    """

    floor: Floor
    walls: shapely.Geometry
    outlines: dict[str, shapely.Geometry]
    places: dict[str, np.ndarray] = field(default_factory=dict)

    @cached_property
    def centres(self) -> dict[str, np.ndarray]:
        """Label -> middle (2,) of the outline."""
        return {label: shapely.get_coordinates(outline.centroid)[0] for label, outline in self.outlines.items()}

    def reaches(self, points: np.ndarray, label: str) -> np.ndarray:
        """Return (N,) bool: at which of the points (N, 2) the robot is at this thing."""
        near = shapely.distance(self.outlines[label], shapely.points(points)) <= REACH_M
        near[near] = self.sees(points[near], label)
        return near

    def sees(self, points: np.ndarray, label: str) -> np.ndarray:
        """Return (N,) bool: between which of the points (N, 2) and the nearest point of a thing there is no wall.

        The last tenth of the line isn't looked at: doors, windows and pictures are in or on the wall themselves.
        """
        lines = shapely.shortest_line(shapely.points(points), self.outlines[label])
        ends = shapely.get_coordinates(lines).reshape(-1, 2, 2)
        ends[:, 1] -= 0.1 * (ends[:, 1] - ends[:, 0])
        return ~shapely.intersects(self.walls, shapely.linestrings(ends))


@dataclass(frozen=True)
class Pose:
    """Where the robot's centre is (2,) and where it looks: degrees counter-clockwise from +x."""

    position: np.ndarray
    heading_deg: float

    def bearing(self, target: np.ndarray) -> float:
        """Return the angle in (-180, 180] from where the robot looks to `target`, counter-clockwise."""
        offset = target - self.position
        angle = np.degrees(np.arctan2(offset[1], offset[0])) - self.heading_deg
        # Python's modulo is never negative, so what lies right behind is 180, never -180.
        return float(180.0 - (180.0 - angle) % 360.0)

    def turned(self, angle_deg: float) -> Pose:
        """Return the pose after turning on the spot."""
        return Pose(self.position, self.heading_deg + angle_deg)


def drive(world: Map, pose: Pose, label: str) -> tuple[Pose, bool]:
    """Go straight until `label` is reached; return the pose there and True, or where the way ends and False."""
    radians = np.radians(pose.heading_deg)
    step = STEP_M * np.array([np.cos(radians), np.sin(radians)])
    place = pose.position
    for start in range(0, int(MAX_DRIVE_M / STEP_M), STRETCH):
        stretch = pose.position + np.arange(start, start + STRETCH)[:, None] * step
        free = world.floor.contains(stretch)
        # The robot is allowed to be where it stands: after a missed waypoint that may be the last free cell's edge.
        free[0] |= start == 0
        way = stretch if free.all() else stretch[: int(np.argmin(free))]
        arrived = np.flatnonzero(world.reaches(way, label))
        if len(arrived):
            return Pose(way[arrived[0]], pose.heading_deg), True
        place = way[-1] if len(way) else place
        if len(way) < STRETCH:
            break
    return Pose(place, pose.heading_deg), False


def approach(world: Map, pose: Pose, turn_deg: float, label: str, sector_deg: float = SECTOR_DEG) -> tuple[Pose, bool]:
    """Turn and go to `label` as the module's docstring says; return the new pose and whether it was reached."""
    turned = pose.turned(turn_deg)
    aside = turned.bearing(world.centres[label])
    # The sensible reading first. If it leads nowhere, the literal one: an option counts as wrong only if neither
    # arrives.
    if abs(aside) <= sector_deg:
        end, reached = drive(world, turned.turned(aside), label)
        if reached:
            return end, True
    return drive(world, turned, label)


def follow(world: Map, start: Pose, waypoints: Sequence[str], turns: Sequence[str | None]) -> tuple[list[Pose], bool]:
    """Follow a route: before going to each waypoint, make the turn (None: go on ahead).

    Returns the poses, the first being `start`, and whether the robot ends at the last waypoint. A robot that misses a
    waypoint goes on from where it stopped, as it can't know that it went wrong.
    """
    poses, reached = [start], False
    for label, turn in zip(waypoints, turns, strict=True):
        pose, reached = approach(world, poses[-1], TURNS[turn] if turn else 0.0, label)
        poses.append(pose)
    return poses, reached

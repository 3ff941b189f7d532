"""Routes: the right option arrives, the wrong ones don't, and left is left."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pytest
import shapely
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ocr_hf.questions.generate import generate_questions
from ocr_hf.questions.inventory import Inventory
from ocr_hf.questions.question import QuestionConfig
from ocr_hf.questions.question_types import QUESTION_TYPES
from ocr_hf.questions.route import ROBOT_RADIUS_M, TURNS, Map, Pose, approach, follow
from ocr_hf.questions.route_map import map_of, walls
from ocr_hf.questions.route_planning import Plan, fill_in, trace, wrong_turns
from ocr_hf.questions.templates import FILL_IN, parse
from ocr_hf.scenes.homes.procedural import procedural_scene
from ocr_hf.scenes.scene import Mesh, Room
from tests.questions.question_scenes import scene_of, thing

ROUTES = QuestionConfig(("route_planning",), max_per_scene={"route_planning": 20})
FAMILY = QUESTION_TYPES["route_planning"]
ROOM = np.array([[-3.0, -3.0], [3.0, -3.0], [3.0, 3.0], [-3.0, 3.0]])


@dataclass
class ExactFloor:
    """A floor without grid: a polygon less obstacles, shrunk by the robot's radius."""

    free: shapely.Geometry

    def contains(self, points: np.ndarray) -> np.ndarray:
        return shapely.contains_xy(self.free, points[:, 0], points[:, 1])


def exact_map(things: dict[str, tuple[float, float]], motion: np.ndarray | None = None, side: float = 0.5) -> Map:
    """Return the map of a square room with square things; `motion` (2, 2) turns or mirrors all of it."""
    motion = np.eye(2) if motion is None else motion
    square = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * side / 2.0
    outlines = {label: shapely.Polygon((square + middle) @ motion.T) for label, middle in things.items()}
    room = shapely.Polygon(ROOM @ motion.T)
    free = room.difference(shapely.union_all(list(outlines.values())).buffer(ROBOT_RADIUS_M)).buffer(0)
    return Map(ExactFloor(free.intersection(room.buffer(-ROBOT_RADIUS_M))), room.exterior, outlines)


CROSS = {
    "door": (0.0, -2.5),
    "tv": (0.0, 2.5),
    "bed": (-2.5, 0.0),
    "sofa": (2.5, 2.3),
    "desk": (-2.5, 2.4),
    "lamp": (1.2, -2.5),
}


def turns_of(things: dict[str, tuple[float, float]], arguments: tuple[str, ...], motion: np.ndarray | None = None):
    plan = trace(exact_map(things, motion), arguments)
    return None if plan is None else plan.missing


def test_left_right_and_back_in_a_room_drawn_by_hand() -> None:
    # From the door look north to the tv; at the tv the bed is behind to the left, the sofa to the right.
    assert turns_of(CROSS, ("door", "tv", "tv", "sofa")) == ("Turn Right",)
    assert turns_of(CROSS, ("door", "tv", "tv", "desk")) == ("Turn Left",)
    assert turns_of(CROSS, ("tv", "desk", "door")) == ("Turn Left",)
    assert turns_of(CROSS, ("door", "tv", "tv", "desk", "bed")) == ("Turn Left", "Turn Left")
    assert turns_of({"door": (0, -1.0), "tv": (0, 2.5), "bed": (0, -2.7)}, ("tv", "door", "bed")) is None


def room_with_a_route(seed: int) -> tuple[dict[str, tuple[float, float]], tuple[str, ...], Plan]:
    """Return random places of five things between which there is a route."""
    rng = np.random.default_rng(seed)
    while True:
        things = {label: tuple(rng.uniform(-2.6, 2.6, 2)) for label in ["door", "tv", "bed", "sofa", "desk"]}
        arguments = ("door", "tv", *rng.permutation(["bed", "sofa", "desk"])[: rng.integers(1, 3)])
        plan = trace(exact_map(things), arguments)
        if plan is not None:
            return things, arguments, plan


@settings(max_examples=40)
@given(st.integers(0, 2**31), st.floats(-np.pi, np.pi))
def test_turning_the_room_keeps_the_turns_and_a_mirror_swaps_left_and_right(seed: int, angle: float) -> None:
    things, arguments, plain = room_with_a_route(seed)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    turned = trace(exact_map(things, rotation), arguments)
    mirror = trace(exact_map(things, np.diag([-1.0, 1.0])), arguments)
    # Steps of 5 cm and places around a thing don't turn with the room: close to a limit one of them may be refused.
    assume(turned is not None and mirror is not None)
    assert turned.missing == plain.missing
    swap = {"Turn Left": "Turn Right", "Turn Right": "Turn Left", "Turn Back": "Turn Back"}
    assert mirror.missing == tuple(swap[turn] for turn in plain.missing)


def arrives(world: Map, question, option: str) -> bool:
    """Follow an option as the text says, from the pose that the text names."""
    pose_text, goal, steps = parse("route_planning", question.question)
    start, facing = pose_text.removeprefix("at the ").split(" and facing the ")
    steps = [step.split(". ", 1)[1] for step in _split(steps)]
    turns: list[str | None] = []
    waypoints: list[str] = []
    pending, given = None, iter(option[3:].split(", "))
    for step in steps:
        if step == FILL_IN:
            pending = next(given)
        else:
            waypoints.append(step.removeprefix("Go forward until the "))
            turns.append(pending)
            pending = None
    assert waypoints[-1] == goal and next(given, None) is None
    plan = trace(world, (start, facing, *waypoints))
    return follow(world, plan.start, waypoints, turns)[1]


def _split(steps: str) -> list[str]:
    parts, number = [], 1
    while f" {number + 1}. " in steps:
        first, rest = steps.split(f" {number + 1}. ", 1)
        parts.append(first)
        number, steps = number + 1, f"{number + 1}. {rest}"
    return [*parts, steps]


def test_in_furnished_homes_the_right_option_arrives_and_no_other() -> None:
    kinds: Counter[int] = Counter()
    for seed in range(8):
        scene = procedural_scene(seed)
        world = map_of(Inventory(scene, None, None, ROUTES, Counter()))
        for question in generate_questions(scene, None, None, seed, ROUTES).questions:
            letters = {option[0]: arrives(world, question, option) for option in question.options}
            assert letters == {letter: letter == question.ground_truth for letter in letters}
            kinds[question.question.count(FILL_IN) - 1] += 1
            assert len(question.options) == (3 if question.question.count(FILL_IN) == 2 else 4)
    assert sum(kinds.values()) > 40
    assert kinds[1] and kinds[2]


def test_every_wrong_combination_is_known_not_to_arrive() -> None:
    world = exact_map(CROSS)
    plan = trace(world, ("door", "tv", "tv", "desk", "bed"))
    wrong = wrong_turns(world, plan)
    assert plan.missing not in wrong
    assert follow(world, plan.start, plan.waypoints, fill_in(plan, plan.missing))[1]
    for turns in wrong:
        poses, _ = follow(world, plan.start, plan.waypoints, fill_in(plan, turns))
        assert shapely.distance(world.outlines["bed"], shapely.Point(poses[-1].position)) > 0.5


def test_a_goal_that_every_turn_leads_to_gives_no_question() -> None:
    ring = shapely.Polygon(ROOM * 0.9).difference(shapely.Polygon(ROOM * 0.8))
    world = exact_map({"door": (-1.9, -1.9), "tv": (1.9, 1.9)})
    around = Map(world.floor, world.walls, {**world.outlines, "counter": ring})
    start = Pose(np.zeros(2), 0.0)
    plan = Plan(start, ("counter",), ("Turn Left",), (90.0,), (start, Pose(np.array([0.0, 1.9]), 90.0)))
    assert wrong_turns(around, plan) == []
    only = Map(world.floor, world.walls, {"counter": shapely.box(-0.5, 2.4, 0.5, 2.7)})
    assert wrong_turns(only, plan) == [("Turn Right",), ("Turn Back",)]


def test_a_thing_behind_a_wall_is_not_reached() -> None:
    outline = shapely.Polygon([(1.0, -0.5), (1.5, -0.5), (1.5, 0.5), (1.0, 0.5)])
    floor = ExactFloor(shapely.box(-3, -3, 0.6, 3))
    behind = Map(floor, shapely.LineString([(0.9, -3), (0.9, 3)]), {"tv": outline})
    free = Map(floor, shapely.LineString([(-3, -3), (-3, 3)]), {"tv": outline})
    start = Pose(np.array([-1.0, 0.0]), 0.0)
    assert approach(free, start, 0.0, "tv")[1]
    end, reached = approach(behind, start, 0.0, "tv")
    assert not reached
    assert end.position == pytest.approx([0.55, 0.0], abs=0.06)


@pytest.mark.parametrize(
    ("heading", "target", "bearing"), [(0, (0, 1), 90), (90, (0, 1), 0), (180, (0, 1), -90), (0, (-1, 0), 180)]
)
def test_bearings_are_counter_clockwise(heading: float, target: tuple[float, float], bearing: float) -> None:
    assert Pose(np.zeros(2), heading).bearing(np.array(target, float)) == pytest.approx(bearing)
    assert TURNS == {"Turn Left": 90.0, "Turn Right": -90.0, "Turn Back": 180.0}


def test_walls_are_where_the_structure_is_cut() -> None:
    vertices = np.array([[0, 0, 0], [4, 0, 0], [4, 0, 2.6], [0, 0, 2.6]], float)
    scene = scene_of(thing(1, "bed", (1, 1, 0.3)), structure=(Mesh(vertices, np.array([[0, 1, 2], [0, 2, 3]])),))
    lines = walls(scene, 1.0)
    assert lines.length == pytest.approx(4.0)
    assert lines.bounds == pytest.approx((0.0, 0.0, 4.0, 0.0))
    outlined = walls(scene_of(rooms=(Room("hall", ROOM),)), 1.0)
    assert outlined.length == pytest.approx(24.0)


def room_with(*objects):
    return scene_of(*objects, rooms=(Room("hall", ROOM),))


def hall():
    """The room drawn by hand, as a scene."""
    return room_with(*(thing(n, label, (x, y, 0.25)) for n, (label, (x, y)) in enumerate(CROSS.items(), start=1)))


def test_a_scene_gives_the_route_of_the_drawing() -> None:
    inventory = Inventory(hall(), None, None, ROUTES, Counter())
    arguments = ("door", "tv", "tv", "desk")
    assert FAMILY.check(inventory, arguments) is None
    assert FAMILY.solve(inventory, arguments) == "Turn Left"


def test_detours_and_routes_without_turn_are_refused() -> None:
    inventory = Inventory(hall(), None, None, ROUTES, Counter())
    assert FAMILY.check(inventory, ("door", "tv", "tv")) == "no turn, or too many"
    assert FAMILY.check(inventory, ("door", "tv", "tv", "lamp")) == "the way is a detour"
    assert FAMILY.check(inventory, ("door", "tv", "tv", "sofa", "desk")) == "the way is blocked or a turn is ambiguous"
    assert FAMILY.check(inventory, ("door", "tv", "piano")) == "category is not in the scene"
    hanging = room_with(*hall().objects, thing(20, "ceiling light", (0, 0, 2.4), (0.3, 0.3, 0.1)))
    inventory = Inventory(hanging, None, None, ROUTES, Counter())
    assert FAMILY.check(inventory, ("door", "tv", "ceiling light")) == "it hangs above the robot"


@pytest.mark.parametrize(
    "scene",
    [
        scene_of(thing(1, "bed", (0, 0, 0.2)), thing(2, "tv", (2, 0, 0.2)), thing(3, "sofa", (0, 2, 0.2))),
        room_with(thing(1, "bed", (0, 0, 0.5), (6, 6, 1)), thing(2, "tv", (2, 0, 1)), thing(3, "sofa", (0, 2, 1))),
        room_with(thing(1, "bed", (0, 0, 0.2))),
        room_with(),
    ],
    ids=["no floor plan", "no free floor", "one object", "empty room"],
)
def test_scenes_without_routes_say_so(scene) -> None:
    made = generate_questions(scene, None, None, 0, ROUTES)
    assert made.questions == ()
    assert sum(count for reason, count in made.skipped.items() if reason.startswith("route_planning: ")) > 0

"""route_planning: fill in the turns of a route."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, pairwise, product

import numpy as np
import shapely

from ocr_hf.questions.family import QuestionContext, shuffled
from ocr_hf.questions.inventory import Inventory
from ocr_hf.questions.question import Question
from ocr_hf.questions.question_types import QuestionType
from ocr_hf.questions.route import TURNS, Map, Pose, drive, follow
from ocr_hf.questions.route_map import map_of, place_beside
from ocr_hf.questions.templates import FILL_IN, TEMPLATES, numbered, render, route_pose
from ocr_hf.questions.wording import metres

SHARES = (0.1, 0.6, 0.3)
"""How often a route of one, two or three turns is looked for. Many lead nowhere and end up shorter, so that about four
in ten have one turn in the end, as officially (76, 80 and 33 of 194 have one, two and three; five have four)."""
CLEAR_DEG = 30.0
"""The next thing must lie within this of a turn's exact direction, so that nobody would call the turn another."""
MIN_LEG_M = 0.8
"""Each drive must be at least this long to be a drive (ours)."""
MAX_DETOUR = 3.0
"""A route may be this many times as long as the shortest path (ours): nobody would describe a longer one."""
OBSTACLE_M = 0.5
"""Objects this near to the way are what the robot has to get past."""
NUM_OPTIONS = {1: 3, 2: 4, 3: 4}
"""Turns -> options: one turn has three possibilities, several turns are offered as four combinations, as officially."""
FIRST_AHEAD = 0.5
"""Share of routes that are meant to begin with a drive to what the robot faces (about 0.4 of the official ones do)."""
BRANCHES = 3
"""Things that are tried as the next one before a route is taken back a step."""
MAX_STARTS = 80
"""Beginnings that are tried in one scene."""


@dataclass(frozen=True)
class Plan:
    """A route: where it begins, the things it goes to in turn and the turn before each (None: straight on)."""

    start: Pose
    waypoints: tuple[str, ...]
    turns: tuple[str | None, ...]
    bearings: tuple[float, ...]
    poses: tuple[Pose, ...]

    @property
    def missing(self) -> tuple[str, ...]:
        """The turns to fill in."""
        return tuple(turn for turn in self.turns if turn is not None)

    @property
    def length_m(self) -> float:
        return float(sum(self.legs_m))

    @property
    def legs_m(self) -> tuple[float, ...]:
        ends = [pose.position for pose in self.poses]
        return tuple(float(np.linalg.norm(b - a)) for a, b in pairwise(ends))


class RoutePlanning(QuestionType):
    """Asks which turns take a robot from one thing, by way of others, to a goal.

    Arguments: (start, facing, waypoint, ..., goal); if the first waypoint is what the robot faces, it first goes there
    without a turn. Each wrong option is followed on the same floor and must not end at the goal; which of them are
    offered is sampled uniformly, because offering those most like the right one would give it away.
    queried_objects: all that is named. context_objects: what stands along the way.
    """

    question_type = "route_planning"
    help = "which turns a robot makes on its way"
    limit = 3
    unit = None
    template = TEMPLATES["route_planning"]

    def candidates(self, inventory: Inventory, rng: np.random.Generator) -> Iterator[tuple[str, ...]]:
        world = map_of(inventory)
        if world is None:
            yield ()
            return
        labels = sorted(world.outlines)
        pairs = [(start, facing) for start in labels for facing in labels if start != facing]
        shorter = []
        for start, facing in shuffled(pairs, rng)[:MAX_STARTS]:
            wanted = int(rng.choice(len(SHARES), p=SHARES)) + 1
            arguments = _sample(world, start, facing, wanted, labels, rng)
            turns = len(arguments) - 2 - (facing in arguments[2:])
            # Routes that came out shorter are held back until the end, or one-turn routes would crowd out the rest.
            if turns == wanted:
                yield arguments
            elif turns > 0:
                shorter.append(arguments)
        yield from shorter or [()]

    def check(self, inventory: Inventory, arguments: tuple[str, ...]) -> str | None:
        world = map_of(inventory)
        if world is None:
            return "no floor plan or no free floor"
        if len(arguments) < 3:
            return "no further route with clear turns found"
        start, facing, *waypoints = arguments
        named = [start, *waypoints] if facing in waypoints[:1] else list(arguments)
        reason = inventory.missing(named, unique=True)
        if reason is not None:
            return reason
        if any(label not in world.outlines for label in arguments):
            return "it hangs above the robot"
        plan = trace(world, arguments)
        if plan is None:
            return "the way is blocked or a turn is ambiguous"
        if not 1 <= len(plan.missing) <= len(SHARES):
            return "no turn, or too many"
        shortest = world.floor.shortest_path(plan.start.position, plan.poses[-1].position)
        if shortest is None or plan.length_m > MAX_DETOUR * _length(shortest):
            return "the way is a detour"
        if (
            not follow(world, plan.start, plan.waypoints, plan.turns)[1]
            or len(wrong_turns(world, plan)) < NUM_OPTIONS[len(plan.missing)] - 1
        ):
            return "a wrong option would arrive too"
        return None

    def solve(self, inventory: Inventory, arguments: tuple[str, ...]) -> str:
        return ", ".join(trace(map_of(inventory), arguments).missing)

    def wrong_answers(self, inventory: Inventory, arguments: tuple[str, ...]) -> list[str]:
        world = map_of(inventory)
        return [", ".join(turns) for turns in wrong_turns(world, trace(world, arguments))]

    def ask(self, inventory: Inventory, arguments: tuple[str, ...], context: QuestionContext) -> Question:
        world = map_of(inventory)
        plan = trace(world, arguments)
        wrong = shuffled(self.wrong_answers(inventory, arguments), context.rng)
        answer = ", ".join(plan.missing)
        options, letter = context.dealer.deal(self.question_type, answer, wrong[: NUM_OPTIONS[len(plan.missing)] - 1])
        steps = [
            step
            for label, turn in zip(plan.waypoints, plan.turns, strict=True)
            for step in ([FILL_IN] if turn else []) + [f"Go forward until the {label}"]
        ]
        ids = tuple(dict.fromkeys(inventory.only(label).id for label in arguments))
        return Question(
            question_type=self.question_type,
            question=render(self.question_type, (route_pose(*arguments[:2]), plan.waypoints[-1], numbered(steps))),
            options=options,
            ground_truth=letter,
            reasoning=context.wording.reasoning(_think(plan, arguments, letter, context), letter),
            queried_objects=ids,
            context_objects=_along(inventory, plan, ids),
        )


def begin(world: Map, start: str, facing: str) -> Pose | None:
    """Return the robot's first pose, None if it can't stand at `start` and see `facing`."""
    position = place_beside(world, start, facing)
    if position is None or not world.sees(position[None], facing)[0]:
        return None
    pose = Pose(position, 0.0)
    return pose.turned(pose.bearing(world.centres[facing]))


def leg(world: Map, pose: Pose, label: str, ahead: bool) -> tuple[str | None, float, Pose] | None:
    """Return (turn, bearing, pose at the end) of the way to a thing; None if it is blocked, short or ambiguous.

    ahead : the robot looks at the thing already and makes no turn
    """
    bearing = pose.bearing(world.centres[label])
    turn = None if ahead else _turn(bearing)
    if turn is None and not ahead:
        return None
    end, reached = drive(world, pose.turned(bearing), label)
    return (turn, bearing, end) if reached and np.linalg.norm(end.position - pose.position) >= MIN_LEG_M else None


def trace(world: Map, arguments: tuple[str, ...]) -> Plan | None:
    """Return the route through these things, or None where the way is blocked or a turn would be ambiguous."""
    start, facing, *waypoints = arguments
    first = begin(world, start, facing)
    # A goal that the robot touches from where it begins needs no route.
    if first is None or world.reaches(first.position[None], waypoints[-1])[0]:
        return None
    legs, pose = [], first
    for index, label in enumerate(waypoints):
        step = leg(world, pose, label, ahead=index == 0 and label == facing)
        if step is None:
            return None
        legs.append(step)
        pose = step[2]
    turns, bearings, ends = zip(*legs, strict=True)
    return Plan(first, tuple(waypoints), turns, bearings, (first, *ends))


def wrong_turns(world: Map, plan: Plan) -> list[tuple[str, ...]]:
    """Return every other combination of turns; empty ones and those that end at the goal, too, are left out."""
    wrong = []
    for turns in product(TURNS, repeat=len(plan.missing)):
        if turns != plan.missing and not follow(world, plan.start, plan.waypoints, fill_in(plan, turns))[1]:
            wrong.append(turns)
    return wrong


def fill_in(plan: Plan, turns: tuple[str, ...]) -> list[str | None]:
    """Return the turn before each waypoint when `turns` are put in the blanks."""
    rest = iter(turns)
    return [next(rest) if turn is not None else None for turn in plan.turns]


def _turn(bearing: float) -> str | None:
    """Return the turn that people would name for this bearing; None where they would disagree, or name none."""
    for turn, exact in TURNS.items():
        if abs(180.0 - (180.0 - (bearing - exact)) % 360.0) <= CLEAR_DEG:
            return turn
    return None


def _sample(
    world: Map, start: str, facing: str, turns: int, labels: list[str], rng: np.random.Generator
) -> tuple[str, ...]:
    """Return the names of a route with this start and `turns` turns, or fewer where nothing further can be reached."""
    pose = begin(world, start, facing)
    if pose is None:
        return (start, facing)
    named: tuple[str, ...] = (start, facing)
    ahead = leg(world, pose, facing, ahead=True) if rng.random() < FIRST_AHEAD else None
    if ahead is not None:
        named, pose = (start, facing, facing), ahead[2]
    return _extend(world, pose, named, turns, labels, rng)


def _extend(
    world: Map, pose: Pose, named: tuple[str, ...], turns: int, labels: list[str], rng: np.random.Generator
) -> tuple[str, ...]:
    """Return `named` and up to `turns` further things that can be gone to one after the other; the longest found."""
    # Depth-first search with at most BRANCHES successors a node: routes of three turns are rare enough that greedy
    # choice misses most of them.
    best = named
    if turns == 0:
        return best
    steps = ((label, leg(world, pose, label, ahead=False)) for label in shuffled(labels, rng) if label not in named)
    for label, step in islice(((label, step) for label, step in steps if step is not None), BRANCHES):
        route = _extend(world, step[2], (*named, label), turns - 1, labels, rng)
        best = max(best, route, key=len)
        if len(best) == len(named) + turns:
            break
    return best


def _length(path: np.ndarray) -> float:
    return float(np.linalg.norm(np.diff(path, axis=0), axis=1).sum())


def _along(inventory: Inventory, plan: Plan, ids: tuple[int, ...]) -> tuple[int, ...]:
    """Return the other objects within OBSTACLE_M of the way."""
    way = shapely.LineString([pose.position for pose in plan.poses])
    return tuple(
        item.id
        for item in inventory.objects
        if item.id not in ids
        and shapely.distance(shapely.MultiPoint(item.box.corners()[:, :2]).convex_hull, way) <= OBSTACLE_M
    )


def _think(plan: Plan, arguments: tuple[str, ...], letter: str, context: QuestionContext) -> list[str]:
    words = context.wording
    here = arguments[0]
    sentences = [
        words.pick(
            f"I follow the robot on the floor plan, from the {here}, looking at the {arguments[1]}.",
            f"The robot stands at the {here} and looks at the {arguments[1]}; I keep track of where it looks.",
        )
    ]
    for label, turn, bearing, leg in zip(plan.waypoints, plan.turns, plan.bearings, plan.legs_m, strict=True):
        if turn is None:
            sentences.append(f"It goes {metres(leg)} straight on, until the {label}.")
        else:
            side = "to its left" if bearing >= 0.0 else "to its right"
            sentences.append(
                words.pick(
                    f"Seen from where it looks now, the {label} is {abs(bearing):.0f} degrees {side}: "
                    f"{turn.lower()} and go {metres(leg)}.",
                    f"At the {here}, the {label} lies {abs(bearing):.0f} degrees {side}, so it has to {turn.lower()} "
                    f"and then drive {metres(leg)}.",
                )
            )
        here = label
    sentences.append(
        words.pick("The turns are ", "In the blanks belongs: ")
        + ", ".join(plan.missing)
        + words.pick(f", option {letter}.", f"; that is {letter}.")
    )
    return sentences

"""object_rel_direction_easy, _medium and _hard: where an object is, seen from a second one, facing a third."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations
from typing import Literal

import numpy as np

from ocr_hf.questions.family import EPSILON, QuestionContext, random_subsets
from ocr_hf.questions.inventory import Inventory
from ocr_hf.questions.question import Question
from ocr_hf.questions.question_types import QuestionType
from ocr_hf.questions.templates import TEMPLATES, render
from ocr_hf.questions.wording import metres

Level = Literal["easy", "medium", "hard"]

SECTORS: dict[str, tuple[tuple[str, float, float], ...]] = {
    "easy": (("left", 0.0, 135.0), ("", 135.0, 225.0), ("right", 225.0, 360.0)),
    "medium": (("left", 0.0, 135.0), ("back", 135.0, 225.0), ("right", 225.0, 360.0)),
    "hard": (
        ("front-left", 0.0, 90.0),
        ("back-left", 90.0, 180.0),
        ("back-right", 180.0, 270.0),
        ("front-right", 270.0, 360.0),
    ),
}
"""Level -> (option, from, to) in degrees, counter-clockwise from the facing direction. Easy has no option for the back:
what lies there is not asked."""

MIN_PAIR_DISTANCE_M = 0.3
MAX_PAIR_DISTANCE_M = 5.0
"""Closest-point distance that each pair of the three objects must have (VSI-Bench's range)."""
MARGIN_DEG = 10.0
"""Angle that the object's centre must keep from its sector's edges (VSI-Bench's; its hard level has the margin only
below each sector's upper edge, which the "official" rules repeat and the "exact" ones don't)."""
MAX_CORNERS_ELSEWHERE = 2
"""Corners of the object's box, of eight, that may lie in another sector (VSI-Bench's)."""


class Direction(QuestionType):
    """Stand at P, face O: where is Q? Directions are those in the floor plane between box centres.

    queried_objects: P, O and Q. context_objects: their landmarks, which link views that don't show all three.
    """

    help = "where an object is, seen from another; three levels of one task"
    unit = None
    levels = 3

    def __init__(self, level: Level) -> None:
        self.level = level
        self.question_type = f"object_rel_direction_{level}"
        self.limit = 3 if level == "easy" else 6
        self.template = TEMPLATES[self.question_type]

    def candidates(self, inventory: Inventory, rng: np.random.Generator) -> Iterator[tuple[str, ...]]:
        # One question about each three objects before a second one about any.
        triples = list(random_subsets(inventory.unique, 3, rng))
        orders = list(permutations(range(3)))
        # Each triple begins at an order of its own: labels come sorted, and the first would always be stood at.
        first = rng.integers(len(orders), size=len(triples))
        for turn in range(len(orders)):
            for triple, start in zip(triples, first, strict=True):
                yield tuple(triple[i] for i in orders[(start + turn) % len(orders)])

    def check(self, inventory: Inventory, arguments: tuple[str, ...]) -> str | None:
        reason = inventory.missing(arguments, unique=True)
        if reason is not None:
            return reason
        standing, facing, asked = arguments
        for pair in ((standing, facing), (standing, asked), (facing, asked)):
            distance = inventory.gap(*pair).distance_m
            if not MIN_PAIR_DISTANCE_M - EPSILON <= distance <= MAX_PAIR_DISTANCE_M + EPSILON:
                return "two of the objects are too close together or too far apart"
        # Directions live in the floor plane: facing straight up has none.
        if np.hypot(*_offset(inventory, standing, facing)) < EPSILON:
            return "one object is right above the other"
        angle = _angles(inventory, arguments, inventory.only(asked).box.center[None])[0]
        option, low, high = next(sector for sector in SECTORS[self.level] if sector[1] <= angle < sector[2])
        if not option:
            return "the object is behind"
        one_sided = self.level == "hard" and inventory.config.rules == "official"
        low_margin = 0.0 if one_sided else MARGIN_DEG - EPSILON
        if angle < low + low_margin or angle > high - MARGIN_DEG + EPSILON:
            return "the object is on the edge between two directions"
        if self._corners_elsewhere(inventory, arguments, option) > MAX_CORNERS_ELSEWHERE:
            return "the object reaches into another direction"
        return None

    def _corners_elsewhere(self, inventory: Inventory, arguments: tuple[str, ...], option: str) -> int:
        angles = _angles(inventory, arguments, inventory.only(arguments[2]).box.corners())
        if self.level == "easy":
            # The easy level's sectors leave out the back, which corners of the box may well reach into; what must be
            # clear is left or right, so whole half planes count.
            low, high = (0.0, 180.0) if option == "left" else (180.0, 360.0)
        else:
            low, high = next(sector[1:] for sector in SECTORS[self.level] if sector[0] == option)
        # Distance on the circle from the sector's middle: no special case where a sector crosses 0 degrees.
        from_middle = np.abs((angles - (low + high) / 2.0 + 180.0) % 360.0 - 180.0)
        return int((from_middle > (high - low) / 2.0 + EPSILON).sum())

    def solve(self, inventory: Inventory, arguments: tuple[str, ...]) -> str:
        angle = float(_angles(inventory, arguments, inventory.only(arguments[2]).box.center[None])[0])
        if self.level == "easy":
            return "left" if angle < 180.0 else "right"
        return next(option for option, low, high in SECTORS[self.level] if low <= angle < high)

    def ask(self, inventory: Inventory, arguments: tuple[str, ...], context: QuestionContext) -> Question:
        answer, words = self.solve(inventory, arguments), context.wording
        distractors = [option for option, _, _ in SECTORS[self.level] if option not in ("", answer)]
        options, letter = context.dealer.deal(self.question_type, answer, distractors)
        sentences = [
            *self._place(inventory, arguments, context),
            self._rule(inventory, arguments, context),
            words.pick("So it is to ", "That puts it to ")
            + f"{'the' if self.level == 'easy' else 'my'} {answer}"
            + words.pick(f", option {letter}.", f"; the answer is {letter}."),
        ]
        ids = tuple(inventory.only(label).id for label in arguments)
        return Question(
            question_type=self.question_type,
            question=render(self.question_type, arguments),
            options=options,
            ground_truth=letter,
            reasoning=words.reasoning(sentences, letter),
            queried_objects=ids,
            context_objects=inventory.landmarks(ids, per_object=1),
        )

    def _place(self, inventory: Inventory, arguments: tuple[str, ...], context: QuestionContext) -> list[str]:
        standing, facing, asked = arguments
        ahead, left = _ahead_left(inventory, arguments)
        depth = f"{metres(abs(ahead))} {'ahead of' if ahead >= 0.0 else 'behind'} me"
        side = f"{metres(abs(left))} to my {'left' if left >= 0.0 else 'right'}"
        away = metres(float(np.hypot(*_offset(inventory, standing, facing))))
        return [
            context.wording.pick(
                f"I put myself at the {standing} and look at the {facing}, {away} away on the floor plan.",
                f"On the floor plan I draw a line from the {standing} to the {facing}, {away} long; that way is ahead.",
                f"Standing at the {standing}, the {facing} is straight ahead at {away}.",
            ),
            context.wording.pick(
                f"From there the {asked} is {depth} and {side}.",
                f"The {asked} lies {side} and {depth}.",
            ),
        ]

    def _rule(self, inventory: Inventory, arguments: tuple[str, ...], context: QuestionContext) -> str:
        angle = float(_angles(inventory, arguments, inventory.only(arguments[2]).box.center[None])[0])
        turn, hand = (angle, "left") if angle < 180.0 else (360.0 - angle, "right")
        turned = context.wording.pick(
            f"To face it I would turn {turn:.0f} degrees to the {hand}",
            f"Its direction is {turn:.0f} degrees {hand} of where I look",
        )
        rule = {
            "easy": "and only the side of the line matters.",
            "medium": "and a turn of 135 degrees or more would mean my back.",
            "hard": "and beyond 90 degrees it would be behind me.",
        }[self.level]
        return f"{turned}, {rule}"


def _offset(inventory: Inventory, origin: str, target: str) -> np.ndarray:
    return (inventory.only(target).box.center - inventory.only(origin).box.center)[:2]


def _ahead_left(inventory: Inventory, arguments: tuple[str, ...]) -> tuple[float, float]:
    """Return how far Q is ahead of P, and to its left, in metres on the floor plan, when facing O."""
    forward = _offset(inventory, arguments[0], arguments[1])
    forward = forward / np.hypot(*forward)
    to_asked = _offset(inventory, arguments[0], arguments[2])
    return float(forward @ to_asked), float(forward[0] * to_asked[1] - forward[1] * to_asked[0])


def _angles(inventory: Inventory, arguments: tuple[str, ...], points: np.ndarray) -> np.ndarray:
    """Return the angles (N,) in [0, 360) of points (N, 3), counter-clockwise from P's direction to O, seen from P."""
    forward = _offset(inventory, arguments[0], arguments[1])
    rays = points[:, :2] - inventory.only(arguments[0]).box.center[:2]
    left = forward[0] * rays[:, 1] - forward[1] * rays[:, 0]
    angles = np.degrees(np.arctan2(left, rays @ forward)) % 360.0
    return np.where(angles < 360.0, angles, 0.0)  # -1e-17 % 360 is 360

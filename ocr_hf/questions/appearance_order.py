"""obj_appearance_order: in which order four categories first appear in a clip."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise, permutations

import numpy as np

from ocr_hf.questions.clip_visibility import first_sampled_frame
from ocr_hf.questions.family import EPSILON, QuestionContext, random_subsets, shuffled
from ocr_hf.questions.inventory import Inventory
from ocr_hf.questions.question import Question
from ocr_hf.questions.question_types import QuestionType
from ocr_hf.questions.templates import TEMPLATES, render
from ocr_hf.questions.wording import join

NUM_CATEGORIES = 4
MIN_INTERVAL_S = 1.0
"""First appearances must be more than this far apart (VSI-Bench's)."""


class AppearanceOrder(QuestionType):
    """Asks for the order of four categories' first appearances; a category appears with its first instance.

    With a visibility rule the order must also be that of the frames which the model sees, all four in different ones.
    queried_objects: every instance of the four. context_objects: instances of other categories that first appear
    between the first and the last of them and so mark the time.
    """

    question_type = "obj_appearance_order"
    help = "in which order four categories first appear"
    limit = 30
    unit = None
    template = TEMPLATES["obj_appearance_order"]

    def candidates(self, inventory: Inventory, rng: np.random.Generator) -> Iterator[tuple[str, ...]]:
        if inventory.footprints is None:
            return
        labels = [label for label in inventory.askable if inventory.first_seconds(label) is not None]
        seconds = {label: inventory.first_seconds(label) for label in labels}
        fitting = [four for four in random_subsets(labels, NUM_CATEGORIES, rng) if _apart([seconds[x] for x in four])]
        # Where none fits, some four are yielded all the same, so that the reason is counted.
        for four in fitting or [tuple(labels[:NUM_CATEGORIES])]:
            yield tuple(shuffled(four, rng))

    def check(self, inventory: Inventory, arguments: tuple[str, ...]) -> str | None:
        # An instance that comes into view barely counts from the same pixels on as any other, see `share`
        reason = inventory.missing(arguments, unique=False, certain=False)
        if reason is not None:
            return reason
        if inventory.footprints is None:
            return "no clip"
        if len(arguments) != NUM_CATEGORIES:
            return "fewer than four categories"
        seconds = [inventory.first_seconds(label) for label in arguments]
        if any(time is None for time in seconds):
            return "a category never appears or only creeps into view"
        if not _apart(seconds):
            return "two categories appear at almost the same time"
        rule = inventory.config.visibility
        if rule is not None:
            order = sorted(range(NUM_CATEGORIES), key=lambda i: seconds[i])
            # A model sees 16 frames, not the video: two categories that come into view between the same two samples
            # have no order for it.
            frames = [first_sampled_frame(inventory.share(arguments[i]), rule) for i in order]
            if any(later <= earlier for earlier, later in pairwise(frames)):
                return "the sampled frames show another order"
        return None

    def solve(self, inventory: Inventory, arguments: tuple[str, ...]) -> str:
        return ", ".join(sorted(arguments, key=inventory.first_seconds))

    def ask(self, inventory: Inventory, arguments: tuple[str, ...], context: QuestionContext) -> Question:
        answer, words = self.solve(inventory, arguments), context.wording
        orders = [", ".join(order) for order in permutations(arguments)]
        distractors = shuffled([order for order in orders if order != answer], context.rng)[: NUM_CATEGORIES - 1]
        options, letter = context.dealer.deal(self.question_type, answer, distractors)
        labels = answer.split(", ")
        seconds = [inventory.first_seconds(label) for label in labels]
        times = [f"the {label} at {time:.1f} s" for label, time in zip(labels, seconds, strict=True)]
        sentences = [
            words.pick(
                "I watch the video for the first time each of them comes into view.",
                "For each of the four I note when it is seen for the first time.",
                "What counts is the first frame that shows each of them.",
            ),
            words.pick("I first see ", "The first sight is of ") + f"{join(times)}.",
            words.pick(f"The order is therefore {answer}", f"That gives {answer}")
            + words.pick(f", which is option {letter}.", f": {letter}."),
        ]
        return Question(
            question_type=self.question_type,
            question=render(self.question_type, arguments),
            options=options,
            ground_truth=letter,
            reasoning=words.reasoning(sentences, letter),
            queried_objects=tuple(sorted(item.id for label in labels for item in inventory.categories[label])),
            context_objects=_between(inventory, labels, seconds[0], seconds[-1]),
        )


def _apart(seconds: Sequence[float]) -> bool:
    ordered = sorted(seconds)
    return all(late - early > MIN_INTERVAL_S + EPSILON for early, late in pairwise(ordered))


def _between(inventory: Inventory, labels: list[str], first: float, last: float) -> tuple[int, ...]:
    marks = []
    for label in inventory.askable:
        time = inventory.first_seconds(label)
        if label not in labels and time is not None and first <= time <= last:
            marks += [item.id for item in inventory.categories[label]]
    return tuple(sorted(marks))

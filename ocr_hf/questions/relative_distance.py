"""object_rel_distance: which of four objects is the closest to a fifth."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ocr_hf.questions.family import EPSILON, QuestionContext, shuffled
from ocr_hf.questions.inventory import Inventory
from ocr_hf.questions.question import Question
from ocr_hf.questions.question_types import QuestionType
from ocr_hf.questions.templates import TEMPLATES, render
from ocr_hf.questions.wording import join, metres

NUM_OPTIONS = 4
MIN_DISTANCE_M = 0.15
MIN_DIFFERENCE_M = 0.15
"""The nearest option must be this far away and all four must differ by this much (VSI-Bench's own margins)."""
ROUNDS = 4
"""Sets of options sampled for each target (ours; the limit per scene is reached long before)."""


class RelativeDistance(QuestionType):
    """Asks which of four categories is the closest to a unique object; of several instances the nearest counts.

    queried_objects: the target and every instance of the four categories. context_objects: landmarks of the target
    and of the nearest instances.
    """

    question_type = "object_rel_distance"
    help = "which of four objects is the closest to another"
    limit = 19
    unit = None
    template = TEMPLATES["object_rel_distance"]

    def candidates(self, inventory: Inventory, rng: np.random.Generator) -> Iterator[tuple[str, ...]]:
        seen: set[tuple[str, frozenset[str]]] = set()
        for target in (label for _ in range(ROUNDS) for label in shuffled(inventory.unique, rng)):
            options = self._sample(inventory, target, rng)
            # A set: the same four options in another order would be the same question.
            if (target, frozenset(options)) not in seen:
                seen.add((target, frozenset(options)))
                yield (target, *options)

    def _sample(self, inventory: Inventory, target: str, rng: np.random.Generator) -> list[str]:
        """Return up to four categories in random order, each far enough from those chosen before."""
        # Greedy, with the margins built in: four random categories would nearly always fail the check below.
        chosen: dict[str, float] = {}
        others = [each for each in inventory.askable if each != target and inventory.nearest_is_shown(target, each)]
        for label in shuffled(others, rng):
            distance = inventory.gap(target, label).distance_m
            apart = all(abs(distance - other) > MIN_DIFFERENCE_M + EPSILON for other in chosen.values())
            if distance >= MIN_DISTANCE_M - EPSILON and apart and len(chosen) < NUM_OPTIONS:
                chosen[label] = distance
        return list(chosen)

    def check(self, inventory: Inventory, arguments: tuple[str, ...]) -> str | None:
        target, *options = arguments
        reason = inventory.missing([target], unique=True) or inventory.missing(arguments, unique=False, certain=False)
        if reason is not None:
            return reason
        if not all(inventory.nearest_is_shown(target, label) for label in options):
            return "the nearest instance of an option is barely shown"
        if len(options) != NUM_OPTIONS:
            return "fewer than four categories at clearly different distances"
        distances = np.sort([inventory.gap(target, label).distance_m for label in options])
        if distances[0] < MIN_DISTANCE_M - EPSILON:
            return "the nearest option touches the object"
        if np.diff(distances).min() <= MIN_DIFFERENCE_M + EPSILON:
            return "two options are almost equally far away"
        return None

    def solve(self, inventory: Inventory, arguments: tuple[str, ...]) -> str:
        target, *options = arguments
        return min(options, key=lambda label: inventory.gap(target, label).distance_m)

    def ask(self, inventory: Inventory, arguments: tuple[str, ...], context: QuestionContext) -> Question:
        target, *chosen = arguments
        answer, words = self.solve(inventory, arguments), context.wording
        distractors = [label for label in chosen if label != answer]
        options, letter = context.dealer.deal(self.question_type, answer, distractors)
        # VSI-Bench names the options in the question in the order of their letters.
        # Three characters are the prefix, "A. ".
        labels = [option[3:] for option in options]
        gaps = {label: inventory.gap(target, label) for label in labels}
        distances = [f"{metres(gaps[label].distance_m)} to the {label}" for label in labels]
        sentences = [
            words.pick(
                f"I compare the gaps between the {target} and each option.",
                f"For each option I look at the shortest distance to the {target}.",
                f"Starting from the {target}, I estimate how far the nearest point of each option is.",
            )
        ]
        if any(len(inventory.categories[label]) > 1 for label in labels):
            sentences.append("Where there are several of a kind, the nearest one counts.")
        sentences.append(f"From the {target} it is {join(distances)}.")
        sentences.append(
            words.pick(f"The smallest of these is the {answer}.", f"So the {answer} is the closest.")
            + words.pick(f" That is option {letter}.", f" The answer is {letter}.")
        )
        queried = {inventory.only(target).id} | {item.id for label in labels for item in inventory.categories[label]}
        near = [gap.ids[1] for gap in gaps.values()]
        landmarks = inventory.landmarks([inventory.only(target).id, *near], per_object=1)
        return Question(
            question_type=self.question_type,
            question=render(self.question_type, (target, *labels)),
            options=options,
            ground_truth=letter,
            reasoning=words.reasoning(sentences, letter),
            queried_objects=tuple(sorted(queried)),
            context_objects=tuple(other for other in landmarks if other not in queried),
        )

"""All questions of a scene."""

from __future__ import annotations

from collections import Counter

from ocr_hf.geometry.footprints import Footprints
from ocr_hf.questions.family import QuestionContext
from ocr_hf.questions.inventory import Inventory
from ocr_hf.questions.options import LetterDealer
from ocr_hf.questions.question import Generated, Question, QuestionConfig
from ocr_hf.questions.question_types import QUESTION_TYPES, QuestionType
from ocr_hf.questions.wording import Wording
from ocr_hf.scenes.randomness import generator
from ocr_hf.scenes.scene import Scene

MAX_TRIES = 400
"""Candidates looked at for one question type in one scene: bounds the time in scenes with very many objects (ours)."""

PARITY = QuestionConfig(visibility=None, rules="official")
"""The rules of the official test set, for checks against its answers."""


def generate_questions(
    scene: Scene,
    footprints: Footprints | None,
    fps: float | None,
    seed: int,
    config: QuestionConfig | None = None,
) -> Generated:
    """Return the questions of a scene, or of what a clip shows of it.

    footprints, fps : of the clip that the questions are about; None for the scene as a whole (no visibility rule, no
        appearance order)
    seed : with the scene's name it decides which candidates are asked, letters and words; nothing else does
    Raises ValueError for footprints that don't respect occlusion while a visibility rule is set, and for footprints
    without fps.
    """
    config = QuestionConfig() if config is None else config
    if footprints is not None and not (fps is not None and fps > 0.0):
        raise ValueError(f"scene '{scene.name}': footprints come with fps {fps}; give the clip's frames per second")
    skipped: Counter[str] = Counter()
    inventory = Inventory(scene, footprints, fps, config, skipped)
    dealer = LetterDealer(seed, scene.name)
    questions: list[Question] = []
    for question_type in config.question_types:
        most = config.max_per_scene.get(question_type, 0)
        questions += _ask(QUESTION_TYPES[question_type], inventory, dealer, seed, most, skipped)
    return Generated(tuple(questions), skipped)


def _ask(
    family: QuestionType, inventory: Inventory, dealer: LetterDealer, seed: int, most: int, skipped: Counter[str]
) -> list[Question]:
    questions: list[Question] = []
    name = inventory.scene.name
    candidates = family.candidates(inventory, generator(seed, "candidates", name, family.question_type))
    for tried, arguments in enumerate(candidates):
        if len(questions) >= most or tried >= MAX_TRIES:
            break
        reason = family.check(inventory, arguments)
        if reason is not None:
            skipped[f"{family.question_type}: {reason}"] += 1
            continue
        # Keyed by the question: its words stay the same when a candidate before it is dropped.
        rng = generator(seed, "words", name, family.question_type, *arguments)
        questions.append(family.ask(inventory, arguments, QuestionContext(dealer, Wording(rng), rng)))
    return questions

"""Clips for the tests of twins, filmed small, and an answer to a question's text that knows nothing of twins."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import cache

import numpy as np

from ocr_hf.geometry.camera import intrinsics_from_fov
from ocr_hf.geometry.footprints import Footprints
from ocr_hf.geometry.occlusion import footprints_from_instances
from ocr_hf.questions.inventory import Inventory
from ocr_hf.questions.question import Question, QuestionConfig, VisibilityRule
from ocr_hf.questions.question_types import QUESTION_TYPES
from ocr_hf.questions.templates import parse
from ocr_hf.scenes.cameras.camera_path import walk_through
from ocr_hf.scenes.homes.procedural import procedural_scene
from ocr_hf.scenes.render.renderer import Renderer
from ocr_hf.scenes.scene import Scene
from ocr_hf.twins.find_twins import TASK_LEVELS, Twins, find_twins
from ocr_hf.vsi_bench.tasks import TASK_OF

CONFIG = QuestionConfig(visibility=VisibilityRule(num_frames=8))
WIDTH, HEIGHT, FRAMES = 112, 84, 16
TASKS = tuple(TASK_LEVELS)


@dataclass(frozen=True, eq=False)
class SmallClip:
    scene: Scene
    footprints: Footprints
    poses: np.ndarray
    fps: float = 1.0

    def film(self, scene: Scene) -> Footprints:
        renderer = Renderer(scene, edge_samples=1, light_rays=0)
        rendered = renderer.render(self.poses, intrinsics_from_fov(WIDTH, HEIGHT, 80.0), WIDTH, HEIGHT)
        return footprints_from_instances(rendered.instances)


@cache
def small_clip(seed: int, rooms: int | None = 1) -> SmallClip:
    scene = procedural_scene(seed, rooms=rooms)
    poses = walk_through(scene, float(FRAMES), 1.0, seed)
    bare = SmallClip(scene, Footprints(HEIGHT, WIDTH, FRAMES), poses)
    return SmallClip(scene, bare.film(scene), poses)


@cache
def twins_of(seed: int, rooms: int | None = 1, most: int = 8) -> Twins:
    clip, first = small_clip(seed, rooms), seed % len(TASKS)
    tasks = TASKS[first:] + TASKS[:first]
    return find_twins(clip.scene, clip.footprints, clip.fps, clip.poses, clip.film, seed, tasks, most, CONFIG)


def task_of(question: Question) -> str:
    return TASK_OF[question.question_type]


def answer_afresh(question: Question, scene: Scene, footprints: Footprints) -> str:
    """Return the letter or number that a scene gives to a question's text and options."""
    inventory = Inventory(scene, footprints, 1.0, CONFIG, Counter())
    entry, arguments = QUESTION_TYPES[question.question_type], arguments_of(question)
    assert entry.check(inventory, arguments) is None
    answer = entry.solve(inventory, arguments)
    if question.options is None:
        return answer
    (letter,) = (option[0] for option in question.options if option[3:] == answer)
    wrong = entry.wrong_answers(inventory, arguments)
    assert wrong is None or all(option[3:] in wrong for option in question.options if option[3:] != answer)
    return letter


def arguments_of(question: Question) -> tuple[str, ...]:
    if question.question_type != "route_planning":
        return parse(question.question_type, question.question)
    start, facing = re.search(r"beginning at the (.+?) and facing the (.+?)\. You want", question.question).groups()
    return (start, facing, *re.findall(r"Go forward until the (.+?)(?= \d\. |\. You have)", question.question))

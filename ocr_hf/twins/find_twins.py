"""Finding twins of a clip: edits that change one question's answer and keep another's, found cheaply, then filmed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ocr_hf.geometry.camera import check_poses
from ocr_hf.geometry.footprints import Footprints
from ocr_hf.questions.options import LetterDealer
from ocr_hf.questions.question import Question, QuestionConfig
from ocr_hf.scenes.edits.scene_edit import SceneEdit
from ocr_hf.scenes.scene import Scene
from ocr_hf.twins.shot import CHANGES, KEEPS, Shot
from ocr_hf.twins.twin_search import TASK_LEVELS, TwinSearch
from ocr_hf.twins.word_pair import word_pair


@dataclass(frozen=True, eq=False)
class EditedCopy:
    """One edited video, which serves several questions.

    edits : in the order in which they are applied to the vanilla scene
    scene : after them; footprints : of it along the clip's path
    """

    edits: tuple[SceneEdit, ...]
    scene: Scene
    footprints: Footprints


@dataclass(frozen=True, eq=False)
class Twin:
    """One question about a clip and an edited copy of it.

    question : of the vanilla clip; text and options are those of the edited clip too
    edited_ground_truth : the letter or number that is right of the edited clip
    relation : "changes" if the two answers differ by more than the scoring forgives, "keeps" if they are the same
    copy : index into Twins.copies
    edited_reasoning : chain of thought of the edited clip
    """

    question: Question
    edited_ground_truth: str
    relation: str
    copy: int
    edited_reasoning: str


@dataclass(frozen=True, eq=False)
class Twins:
    """The twins of one clip: every question comes twice, with a copy that changes its answer and one that keeps it.

    skipped : why tasks aimed at have no twin, counted
    """

    copies: tuple[EditedCopy, ...]
    twins: tuple[Twin, ...]
    skipped: Counter[str]


def edits_to_json(edits: Iterable[SceneEdit]) -> str:
    """Return a JSON list of edits in the order in which they are applied, for a column `edit`."""
    return "[" + ", ".join(edit.to_json() for edit in edits) + "]"


def edits_from_json(text: str) -> tuple[SceneEdit, ...]:
    """Return the edits that `edits_to_json` wrote; ValueError if it is no such list."""
    try:
        found = json.loads(text)
    except (TypeError, ValueError) as error:
        raise ValueError(f"edits are {text!r}, which is no JSON; give what edits_to_json wrote") from error
    if not isinstance(found, list):
        raise ValueError(f"edits are {text!r}; give a JSON list of edits")
    return tuple(SceneEdit.from_json(json.dumps(edit)) for edit in found)


def find_twins(
    scene: Scene,
    footprints: Footprints,
    fps: float,
    camera_to_world: np.ndarray,
    film: Callable[[Scene], Footprints],
    seed: int,
    tasks: Sequence[str],
    most: int,
    config: QuestionConfig,
) -> Twins:
    """Find edited copies of a clip and questions that tell whether their differences were seen.

    Args:
        scene: what the clip shows.
        footprints: of the clip.
        fps: its frames per second.
        camera_to_world: (T, 4, 4) its poses; edits leave them free.
        film: films another scene along the clip's path and returns its footprints.
        seed: at least 0; with the scene's name it decides everything that is random.
        tasks: VSI-Bench's tasks that are aimed at, the most wanted first.
        most: rows at most, two for each question.
        config: as for the clip's own questions.

    Returns:
        The twins; both answers are those that a fresh generation gives for the vanilla and the edited clip.

    Raises:
        ValueError: a task is unknown, or `most` is no even number of at least 2.
    """
    unknown = [task for task in tasks if task not in TASK_LEVELS]
    if unknown:
        raise ValueError(f"tasks name {unknown[0]!r}; choose of {', '.join(TASK_LEVELS)}")
    if most < 2 or most % 2:
        raise ValueError(f"most is {most}; give an even number of at least 2, for each question has two rows")
    poses = check_poses(camera_to_world)
    vanilla = Shot(scene, footprints, fps, config)
    search = TwinSearch(vanilla, poses, film, seed, tuple(dict.fromkeys(tasks)), most // 2)
    search.run()
    plans, drafts = search.best()
    dealer = LetterDealer(seed, scene.name)
    twins = []
    for plan in plans:
        changed, kept = drafts[plan.changed].shot, drafts[plan.kept].shot
        question, one, other = word_pair(plan.asked, vanilla, changed, kept, dealer, seed)
        twins.append(Twin(question, one.ground_truth, CHANGES, plan.changed, one.reasoning))
        twins.append(Twin(question, other.ground_truth, KEEPS, plan.kept, other.reasoning))
    copies = tuple(EditedCopy(draft.edits, draft.shot.scene, draft.shot.footprints) for draft in drafts)
    return Twins(copies, tuple(twins), search.skipped)

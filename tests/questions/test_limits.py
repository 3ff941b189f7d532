"""As many questions of each task."""

from __future__ import annotations

from collections import Counter

import pytest

from ocr_hf.questions.generate import generate_questions
from ocr_hf.questions.question import QuestionConfig, max_per_scene
from ocr_hf.scenes.homes.procedural import procedural_scene


@pytest.mark.parametrize("most", [1, 3, 4])
def test_thinning_is_even_and_takes_nothing_new(most: int) -> None:
    scene = procedural_scene(3, rooms=1)
    every = generate_questions(scene, None, None, 0).questions
    few = generate_questions(scene, None, None, 0, QuestionConfig(max_per_scene=max_per_scene(most))).questions
    there, kept = (Counter(item.question_type for item in part) for part in (every, few))
    assert kept == {name: min(count, max_per_scene(most)[name]) for name, count in there.items()}
    levels = [kept[name] for name in kept if "direction" in name]
    assert len(levels) == 3 and most <= sum(levels) <= most + 2, "three levels are one task"
    assert {item.question for item in few} < {item.question for item in every}


def test_a_large_limit_is_vsi_benchs_own() -> None:
    assert max_per_scene(100) == max_per_scene()
    with pytest.raises(ValueError, match="questions_per_task is 0; give at least 1"):
        max_per_scene(0)

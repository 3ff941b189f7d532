"""The words of a build's questions, read from its finished clips: all that the text-only audit needs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ocr_hf.data.build_plan import ClipPlan, ScenePlan
from ocr_hf.data.staging import Staging
from ocr_hf.perturb.keys import stable_key

COLUMNS = ("id", "scene_name", "question_type", "question", "options", "ground_truth")
MOST_AUDITED = 20_000
"""Questions of a type that the audit reads, about: it bounds memory and time at the end of a very large build."""


def question_texts(staging: Staging, clips: Iterable[ClipPlan]) -> Iterator[dict[str, Any]]:
    """Yield COLUMNS of every row of the finished clips, in the order of the clips and of their rows."""
    for clip in clips:
        if staging.record(clip)["rows"]:
            yield from staging.rows(clip, list(COLUMNS)).to_pylist()


def audited_texts(staging: Staging, scenes: Sequence[ScenePlan], dropped: frozenset[int]) -> list[dict[str, Any]]:
    """Return the questions to audit: all that aren't dropped, or of a type with more than MOST_AUDITED those of some
    whole scenes."""
    found: list[dict[str, Any]] = []
    counts: Counter[str] = Counter()
    # By a hash of the name: which scenes are read depends neither on splits nor on the order of seeds
    for scene in sorted(scenes, key=lambda scene: stable_key("audited", scene.name)):
        rows = [
            row
            for row in question_texts(staging, scene.clips)
            if row["id"] not in dropped and counts[row["question_type"]] < MOST_AUDITED
        ]
        counts.update(row["question_type"] for row in rows)
        found += rows
    return found

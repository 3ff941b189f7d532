"""What rows hold of a clip and of a question, whichever config they belong to."""

from __future__ import annotations

from typing import Any

from ocr_hf.data.build_plan import ClipPlan
from ocr_hf.data.recording import Recording
from ocr_hf.questions.question import Question
from ocr_hf.scenes.scene import Scene


def clip_columns(clip: ClipPlan, scene: Scene, recording: Recording) -> dict[str, Any]:
    """Return the columns that are equal in all rows of a clip."""
    return {
        "dataset": scene.source,
        "scene_name": scene.name,
        "clip_id": clip.id,
        "fps": recording.fps,
        "objects": object_rows(scene),
        "camera_to_world": recording.camera_to_world.tolist(),
        "intrinsics": recording.intrinsics.tolist(),
        "footprints": recording.footprints.to_rows(),
        "vanilla_file_name": clip.file("vanilla"),
    }


def question_columns(question: Question) -> dict[str, Any]:
    """Return the columns of a question."""
    return {
        "question_type": question.question_type,
        "question": question.question,
        "options": None if question.options is None else list(question.options),
        "ground_truth": question.ground_truth,
        "reasoning": question.reasoning,
        "queried_objects": list(question.queried_objects),
        "context_objects": list(question.context_objects),
    }


def object_rows(scene: Scene) -> list[dict[str, Any]]:
    """Return the column `objects` of a scene."""
    return [
        {
            "id": item.id,
            "label": item.label,
            "center": item.box.center.tolist(),
            "size": item.box.size.tolist(),
            "rotation": item.box.rotation.tolist(),
        }
        for item in scene.objects
    ]

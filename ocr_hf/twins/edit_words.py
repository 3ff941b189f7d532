"""What an edit did, in words: for captions and pages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from ocr_hf.scenes.edits.scene_edit import SceneEdit

_DONE = {
    "move": "moved",
    "rotate": "turned",
    "remove": "removed",
    "warp": "bent",
    "recolor": "painted",
    "restore": "restored",
}


def edit_words(edits: Iterable[SceneEdit], labels: Mapping[int, str]) -> str:
    """Say what edits did.

    Args:
        edits: in order.
        labels: object id -> category, before the edits.

    Returns:
        A phrase such as "chair removed (3 times), sofa and bed changed places".
    """
    edits = list(edits)
    if (both := _exchanged(edits, labels)) is not None:
        return f"{both[0]} and {both[1]} exchanged"
    counts = Counter(_words(edit, labels) for edit in edits)
    return ", ".join(words if count == 1 else f"{words} ({count} times)" for words, count in counts.items())


def _exchanged(edits: list[SceneEdit], labels: Mapping[int, str]) -> tuple[str, str] | None:
    """Return the two categories where each of two things was replaced by one of the other's kind."""
    if len(edits) != 2 or any(edit.kind != "replace" for edit in edits):
        return None
    before = [labels.get(edit.objects[0]) for edit in edits]
    after = [edit.parameters.get("label") for edit in edits]
    exchanged = before == after[::-1] and before[0] != before[1] and None not in before
    return (before[0], before[1]) if exchanged else None


def _words(edit: SceneEdit, labels: Mapping[int, str]) -> str:
    names = [labels.get(object_id, f"object {object_id}") for object_id in edit.objects]
    if edit.kind == "swap":
        return f"{names[0]} and {names[1]} changed places"
    if edit.kind == "scale":
        factors = edit.parameters["factors"]
        return f"{names[0]} made {'smaller' if max(factors) <= 1.0 else 'larger'}"
    if edit.kind == "replace":
        label = edit.parameters.get("label", names[0])
        return f"{names[0]} replaced by {'another ' if label == names[0] else ''}{label}"
    if edit.kind == "add":
        return f"{edit.parameters['label']} added"
    if edit.kind == "extend":
        return f"home made {abs(edit.parameters['by']):.1f} m {'longer' if edit.parameters['by'] > 0.0 else 'shorter'}"
    return f"{names[0]} {_DONE[edit.kind]}"

"""What an edit did, in words."""

from __future__ import annotations

import pytest

from ocr_hf.scenes.edits.edit_parameters import KINDS
from ocr_hf.scenes.edits.scene_edit import SceneEdit
from ocr_hf.twins.edit_words import edit_words

LABELS = {1: "chair", 2: "bed"}
EDITS = {
    "move": (SceneEdit("move", (1,), {"offset": (1, 0)}), "chair moved"),
    "rotate": (SceneEdit("rotate", (2,), {"degrees": 90}), "bed turned"),
    "scale": (SceneEdit("scale", (1,), {"factors": (1.0, 1.0, 2.5)}), "chair made larger"),
    "remove": (SceneEdit("remove", (1,)), "chair removed"),
    "swap": (SceneEdit("swap", (1, 2)), "chair and bed changed places"),
    "replace": (SceneEdit("replace", (1,), {"seed": 1, "label": "lamp"}), "chair replaced by lamp"),
    "warp": (SceneEdit("warp", (1,), {"seed": 1, "amplitude": 0.1}), "chair bent"),
    "recolor": (SceneEdit("recolor", (1,), {"color": (1, 0, 0)}), "chair painted"),
    "add": (SceneEdit("add", (9,), {"label": "lamp", "seed": 1, "position": (0, 0, 0), "degrees": 0}), "lamp added"),
    "extend": (SceneEdit("extend", (), {"by": 2.0, "degrees": 0, "at": 1.0}), "home made 2.0 m longer"),
    "restore": (SceneEdit("restore", (1,)), "chair restored"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_words(kind: str) -> None:
    edit, words = EDITS[kind]
    assert edit_words([edit], LABELS) == words


def test_what_is_done_again_is_counted() -> None:
    removed = [SceneEdit("remove", (object_id,)) for object_id in (1, 3, 4)]
    assert edit_words([removed[0], EDITS["swap"][0], *removed[1:]], {1: "chair", 2: "bed", 3: "chair", 4: "chair"}) == (
        "chair removed (3 times), chair and bed changed places"
    )


def test_what_goes_the_other_way() -> None:
    smaller = SceneEdit("scale", (1,), {"factors": 0.4})
    shorter = SceneEdit("extend", (), {"by": -1.5, "degrees": 0, "at": 1.0})
    same = SceneEdit("replace", (2,), {"seed": 1})
    told = edit_words([smaller, shorter, same], LABELS)
    assert told == "chair made smaller, home made 1.5 m shorter, bed replaced by another bed"


def test_two_kinds_that_change_places_are_told_as_one() -> None:
    def replaced(object_id: int, label: str) -> SceneEdit:
        return SceneEdit("replace", (object_id,), {"seed": 1, "label": label})

    kinds = {1: "chair", 2: "bed", 3: "chair"}
    assert edit_words([replaced(1, "bed"), replaced(2, "chair")], kinds) == "chair and bed exchanged"
    assert edit_words(iter([replaced(1, "bed"), replaced(3, "bed")]), kinds) == "chair replaced by bed (2 times)"
    assert edit_words([replaced(1, "bed"), replaced(2, "lamp")], kinds) == (
        "chair replaced by bed, bed replaced by lamp"
    )

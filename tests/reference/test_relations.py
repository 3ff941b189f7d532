"""What a question asks for is supervised at the right words, with the right values."""

from __future__ import annotations

import math

import pytest
import torch
from transformers import AutoProcessor

from ocr_hf.reference.dense import METRES
from ocr_hf.reference.phrases import labels
from ocr_hf.reference.relations import OUTPUTS, RelatedHead, bearing, gap, relations
from ocr_hf.reference.texts import Texts, option_ends, question_rows

DISTANCE = {
    "question_type": "object_rel_distance",
    "question": "Measuring from the closest point of each object, which of these objects (bed, tv, sofa, lamp) is the "
    "closest to the chair?",
    "options": ["A. bed", "B. tv", "C. sofa", "D. lamp"],
    "ground_truth": "C",
}
DIRECTION = {
    "question_type": "object_rel_direction_easy",
    "question": "If I am standing by the bed and facing the tv, is the sofa to the left or the right of the tv?",
    "options": ["A. left", "B. right"],
    "ground_truth": "B",
}
SIZE = {"question_type": "room_size_estimation", "question": "How large?", "ground_truth": "13.5"}


@pytest.fixture(scope="module")
def processor(prepared):
    return AutoProcessor.from_pretrained(prepared / "untrained")


@pytest.fixture
def named() -> torch.Tensor:
    """Bed at the start, tv 2 m ahead, sofa 2 m to the right of it, chair beside the sofa; half extents 0.5 m."""
    out = torch.full((1, len(labels()), 8), math.nan)
    places = {"bed": (0, 0, 0), "tv": (0, 2, 0), "sofa": (2, 2, 0), "chair": (4, 2, 0)}
    for name, place in places.items():
        kind = labels().index(name)
        out[0, kind, :3] = torch.tensor(place) / METRES
        out[0, kind, 3:6] = 0.5
    return out


def supervised(row, processor, named):
    """Return text of the word -> its targets that are not NaN."""
    asked = Texts(processor).asked(row)
    rows, columns, targets = relations([asked], torch.tensor([0]), named, option_ends(processor.tokenizer))
    assert not rows.any()
    found = {}
    for column, target in zip(columns.tolist(), targets, strict=True):
        values = {name: target[part].tolist() for name, part in OUTPUTS.items() if not target[part].isnan().any()}
        found[processor.tokenizer.decode([asked.question[column]])] = values
    return found


def test_options_say_whether_they_are_right_and_how_far(processor, named):
    found = supervised(DISTANCE, processor, named)
    assert list(found) == ["bed", "tv", "sofa", "lamp"]
    assert [values["right"] for values in found.values()] == [[0.0], [0.0], [1.0], [0.0]]
    # From the chair: the sofa's side is 1 m away, the tv's 3 m
    assert found["sofa"]["distance"] == pytest.approx([1.0 / METRES])
    assert found["tv"]["distance"] == pytest.approx([3.0 / METRES])
    assert "distance" not in found["lamp"], "nobody knows where it is"


def test_bearing_is_asked_of_the_last_word(processor, named):
    found = supervised(DIRECTION, processor, named)
    assert found["left"] == {"right": [0.0]} and found["right"] == {"right": [1.0]}
    assert found["assistant\n"]["bearing"] == pytest.approx([math.sqrt(0.5)] * 2)


def test_numbers_are_logarithms(processor, named):
    assert supervised(SIZE, processor, named) == {"assistant\n": {"number": [pytest.approx(math.log(13.5))]}}


def test_no_option_is_missed(processor, prepared):
    """Real questions: as many right and wrong words as there are options, one of them right."""
    texts, ends, checked = Texts(processor), option_ends(processor.tokenizer), 0
    nothing = torch.full((1, len(labels()), 8), math.nan)
    for row in question_rows(prepared / "train" / "21", "train"):
        _, _, targets = relations([texts.asked(row)], torch.tensor([0]), nothing, ends)
        right = targets[:, OUTPUTS["right"]]
        right = right[torch.isfinite(right)]
        assert len(right) == len(row["options"] or ())
        if row["options"]:
            assert right.argmax() == ord(row["ground_truth"]) - ord("A") and right.sum() == 1
            checked += 1
    assert checked > 20


def test_bearings():
    stand, face = torch.zeros(3), torch.tensor([0.0, 1.0, 0.0])
    for there, expected in (((1, 0, 0), (1, 0)), ((-2, 0, 5), (-1, 0)), ((0, 3, 0), (0, 1)), ((0, -3, 0), (0, -1))):
        found = bearing(torch.stack([stand, face, torch.tensor(there, dtype=torch.float32)])[None])
        torch.testing.assert_close(found, torch.tensor([expected], dtype=torch.float32))


def test_boxes_that_overlap_are_not_apart():
    one, other = torch.zeros(8), torch.zeros(8)
    one[3:6] = other[3:6] = 0.5
    other[:3] = torch.tensor([0.4, 0.0, 0.0])
    assert gap(one, other) == 0.0
    other[:3] = torch.tensor([1.0, 1.0, 0.0])
    assert gap(one, other) == pytest.approx(math.sqrt(2.0))


def test_losses_count_only_what_is_asked():
    head = RelatedHead(4)
    torch.nn.init.zeros_(head.read.weight)
    torch.nn.init.zeros_(head.read.bias)
    nothing = math.nan
    losses = head(torch.randn(2, 4), torch.tensor([[1.0, nothing, nothing, nothing, nothing], [nothing] * 4 + [1.0]]))
    torch.testing.assert_close(losses["number"], torch.tensor([0.95, 1.0]))
    torch.testing.assert_close(losses["right"], torch.tensor([math.log(2.0), 1.0]))
    assert losses["bearing"].tolist() == losses["distance"].tolist() == [0.0, 0.0]

"""What a question asks for is supervised at the right words, with the right values."""

from __future__ import annotations

import math
from collections import defaultdict

import pytest
import torch
from transformers import AutoProcessor

from recipes.ocr_vsi_tiny.dense_supervision import METRES, NAMED
from recipes.ocr_vsi_tiny.question_tokenizer import QuestionTokenizer, option_ends, question_rows
from recipes.ocr_vsi_tiny.relation_supervision import DECIDED, OUTPUTS, bearing, gap, relation_targets
from recipes.ocr_vsi_tiny.vocabulary import labels

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
ORDER = {
    "question_type": "obj_appearance_order",
    "question": "What will be the first-time appearance order of the following categories in the video: tv, bed, sofa?",
    "options": ["A. tv, bed, sofa", "B. sofa, tv, bed"],
    "ground_truth": "A",
}
APART = {
    "question_type": "object_abs_distance",
    "question": "Measuring from the closest point of each object, what is the distance between the bed and the sofa "
    "(in meters)?",
    "ground_truth": "1.4",
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
    """Return text of the word -> its targets that are not NaN; the pairs fetched and judged; what is picked."""
    question = QuestionTokenizer(processor).encode(row)
    found = relation_targets([question], torch.tensor([0]), named, option_ends(processor.tokenizer))
    assert not found.rows.any()

    def word(column):
        return processor.tokenizer.decode([question.ids[column]])

    values = defaultdict(dict)
    for column, target in zip(found.columns.tolist(), found.targets, strict=True):
        outputs = {name: target[part].tolist() for name, part in OUTPUTS.items()}
        values[word(column)] |= {name: value for name, value in outputs.items() if not math.isnan(sum(value))}
    fetched = [(word(a), word(b)) for _, _, a, b in found.fetched.tolist()]
    judged = [(word(a), word(b)) for _, a, b in found.judged.tolist()]
    return dict(values), fetched, judged, [(word(a), word(b)) for _, a, b in found.picked.tolist()]


def test_options_fetch_what_they_are_measured_from(processor, named):
    values, fetched, judged, picked = supervised(DISTANCE, processor, named)
    assert fetched == [(option, "chair") for option in ("bed", "tv", "sofa", "lamp")]
    assert [values[option]["right"] for option in ("bed", "tv", "sofa", "lamp")] == [[0.0], [0.0], [1.0], [0.0]]
    # From the chair: the sofa's side is 1 m away, the tv's 3 m
    assert values["sofa"]["distance"] == pytest.approx([1.0 / METRES])
    assert values["tv"]["distance"] == pytest.approx([3.0 / METRES])
    assert values["tv"]["to"] == pytest.approx([-4.0 / METRES, 0.0, 0.0]) and values["tv"]["reach"] == [1.0, 1.0, 1.0]
    assert values["sofa"]["letter"] == [0.0, 0.0, 1.0, 0.0]
    assert set(values["lamp"]) == {"right", "letter"}, "nobody knows where it is"
    assert judged == [(option, option) for option in ("bed", "tv", "sofa", "lamp")]
    assert picked == [("assistant\n", "sofa")]


def test_directions_fetch_both_others(processor, named):
    values, fetched, judged, picked = supervised(DIRECTION, processor, named)
    assert fetched == [("sofa", "bed"), ("sofa", "tv")]
    assert values["left"] == {"right": [0.0], "letter": [1.0, 0.0, 0.0, 0.0]} and values["right"]["right"] == [1.0]
    assert values["sofa"]["bearing"] == pytest.approx([math.sqrt(0.5)] * 2)
    assert values["sofa"]["to"] == pytest.approx([2.0 / METRES, 2.0 / METRES, 0.0])
    assert values["sofa"]["ahead"] == pytest.approx([0.0, 2.0 / METRES])
    assert judged == [("left", "sofa"), ("right", "sofa")]
    assert set(values["sofa"]) == {"to", "ahead", "bearing"} and picked == [("assistant\n", "right")]


def test_orders_compare_neighbours(processor, named):
    for number, name in enumerate(("bed", "tv", "sofa")):
        named[0, labels().index(name), NAMED["first"]] = number / 8
    values, fetched, judged, _ = supervised(ORDER, processor, named)
    assert fetched == [("bed", "tv"), ("sofa", "bed"), ("tv", "sofa"), ("bed", "tv")]
    assert judged == [("sofa", "bed"), ("sofa", "sofa"), ("bed", "tv"), ("bed", "bed")]
    # In the first option the bed comes too early, in the second last of all: it is supervised twice
    assert values["sofa"]["later"] == [1.0] and values["tv"]["later"] == [-0.5] and values["bed"]["later"] == [-0.5]


def test_distances_are_fetched_by_the_second(processor, named):
    values, fetched, judged, picked = supervised(APART, processor, named)
    assert fetched == [("sofa", "bed")] and judged == [("assistant\n", "sofa")] and not picked
    assert values["sofa"]["distance"] == pytest.approx([math.hypot(1.0, 1.0) / METRES])
    assert values["assistant\n"] == {"number": [pytest.approx(math.log(1.4))]}


def test_numbers_are_logarithms(processor, named):
    values, *_ = supervised(SIZE, processor, named)
    assert values == {"assistant\n": {"number": [pytest.approx(math.log(13.5))]}}


def test_no_option_is_missed(processor, prepared):
    """Real questions: as many right and wrong words as there are options, one of them right."""
    tokenizer, ends, checked = QuestionTokenizer(processor), option_ends(processor.tokenizer), 0
    nothing = torch.full((1, len(labels()), 8), math.nan)
    for row in question_rows(prepared / "train" / "21", "train"):
        right = relation_targets([tokenizer.encode(row)], torch.tensor([0]), nothing, ends).targets[:, DECIDED["right"]]
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

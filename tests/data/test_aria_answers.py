"""The real sample's answers, every one, against a check by hand: from its boxes.json, without our question code."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import lsq_linear

from ocr_hf.data.build_config import BuildConfig
from ocr_hf.data.build_plan import plan_scenes
from ocr_hf.data.footage import Footage
from ocr_hf.data.make_clips import clip_questions
from ocr_hf.scenes.recorded.read_recorded import read_recorded
from tests.recorded_sample import WHOLE_FLAT, sample

Box = dict[str, np.ndarray]


def distance(box: Box, other: Box) -> float:
    """Return the least distance of two boxes, metres: points of both, as shares of their axes, as near as can be."""
    axes = np.hstack([box["rotation"] * box["size"], -other["rotation"] * other["size"]])
    found = lsq_linear(axes, other["center"] - box["center"], bounds=(-0.5, 0.5))
    return float(np.sqrt(2.0 * found.cost))


def angle_deg(here: Box, towards: Box, at: Box) -> float:
    """Return how far one turns, seen from above, to face `at`: left positive."""
    ahead, side = (other["center"][:2] - here["center"][:2] for other in (towards, at))
    return float(np.degrees(np.arctan2(ahead[0] * side[1] - ahead[1] * side[0], ahead @ side)))


def quadrant(angle: float) -> str:
    return ("front" if abs(angle) < 90.0 else "back") + ("-left" if angle > 0.0 else "-right")


def by_hand(question: str, boxes: dict[str, list[Box]]) -> object:
    """Return the answer: a number, or the option's words."""
    if found := re.match(r"How many (.+)\(s\) are in this room\?", question):
        return len(boxes[found[1]])
    if found := re.match(r".*what is the distance between the (.+) and the (.+) \(in meters\)\?", question):
        return min(distance(a, b) for a in boxes[found[1]] for b in boxes[found[2]])
    if found := re.match(r".*dimension \(length, width, or height\) of the (.+), measured", question):
        return 100.0 * boxes[found[1]][0]["size"].max()
    if found := re.match(r".*which of these objects \((.+)\) is the closest to the (.+)\?", question):
        near = {
            name: min(distance(a, b) for a in boxes[name] for b in boxes[found[2]]) for name in found[1].split(", ")
        }
        return min(near, key=near.get)
    found = re.match(r"If I am standing by the (.+) and facing the (.+), is the (.+?) to (?:my|the) (.+)", question)
    angle = angle_deg(*(boxes[name][0] for name in found.groups()[:3]))
    if "front-left" in found[4]:
        return quadrant(angle)
    if "back" in found[4]:
        return "back" if abs(angle) >= 135.0 else "left" if angle > 0.0 else "right"
    return "left" if angle > 0.0 else "right"


@pytest.mark.real_scenes
@pytest.mark.slow
def test_every_answer_agrees(shared: Path, tmp_path: Path) -> None:
    found = read_recorded(sample(shared / "scenes/aria_room").write(tmp_path))
    config = BuildConfig(source="recorded", root=str(tmp_path), frames=2, width=640, height=640)
    (plan,) = plan_scenes(config)
    recording, facts = Footage(found, 0.01, False).record(config, plan.clips[0])
    assert facts["footprints"] == "instance maps" and np.hypot(*facts["picture_shift_px"]) > 1.5
    asked = clip_questions(config, plan.clips[0], found.scene, recording).questions
    boxes: dict[str, list[Box]] = {}
    for box in json.loads((shared / "scenes/aria_room/boxes.json").read_text()):
        if not box["moves"] and box["label"] != WHOLE_FLAT:
            numbers = {key: np.array(box[key]) for key in ("center", "size", "rotation")}
            boxes.setdefault(box["label"], []).append(numbers)
    kinds = Counter()
    for item in asked:
        hand = by_hand(item.question, boxes)
        if item.options:
            (given,) = (option[3:] for option in item.options if option[0] == item.ground_truth)
            assert given == hand, (item.question, given, hand)
        else:
            # Answers are rounded to centimetres or tenths of a metre, and the official distance is between sampled
            # points, which lie a little further apart than the nearest
            slack = {"object_counting": 0.0, "object_size_estimation": 0.51}.get(item.question_type, 0.12)
            assert abs(float(item.ground_truth) - hand) <= slack, (item.question, item.ground_truth, hand)
        kinds[item.question_type] += 1
    assert sum(kinds.values()) >= 50 and len(kinds) >= 6, kinds

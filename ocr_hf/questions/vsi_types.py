"""VSI-Bench's ten question types, registered in its order: data sets that ask them all list them so."""

from __future__ import annotations

from ocr_hf.questions.absolute_distance import AbsoluteDistance
from ocr_hf.questions.appearance_order import AppearanceOrder
from ocr_hf.questions.counting import Counting
from ocr_hf.questions.direction import Direction
from ocr_hf.questions.question_types import QUESTION_TYPES
from ocr_hf.questions.relative_distance import RelativeDistance
from ocr_hf.questions.room_size import RoomSize
from ocr_hf.questions.route_planning import RoutePlanning
from ocr_hf.questions.size import ObjectSize

for _entry in (
    Counting(),
    AbsoluteDistance(),
    ObjectSize(),
    RoomSize(),
    RelativeDistance(),
    Direction("easy"),
    Direction("medium"),
    Direction("hard"),
    AppearanceOrder(),
    RoutePlanning(),
):
    QUESTION_TYPES.register(_entry)

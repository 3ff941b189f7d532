"""Question texts are VSI-Bench's, character for character."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from ocr_hf.questions.question import VSI_BENCH_TYPES
from ocr_hf.questions.templates import FILL_IN, TEMPLATES, numbered, parse, render, route_pose


@pytest.fixture(scope="module")
def official(shared: Path) -> pd.DataFrame:
    return pd.read_parquet(shared / "vsi_bench" / "test.parquet")


def test_every_official_text_is_rendered_from_its_arguments(official: pd.DataFrame) -> None:
    assert len(official) == 5130
    for row in official.itertuples():
        assert render(row.question_type, parse(row.question_type, row.question)) == row.question


def test_every_type_has_one_template_and_no_text_fits_another(official: pd.DataFrame) -> None:
    assert tuple(TEMPLATES) == VSI_BENCH_TYPES
    for question_type, rows in official.groupby("question_type"):
        for other in set(VSI_BENCH_TYPES) - {question_type}:
            with pytest.raises(ValueError, match="in VSI-Bench's wording"):
                parse(other, rows.question.iloc[0])


def test_our_routes_are_worded_as_an_official_one(official: pd.DataFrame) -> None:
    steps = numbered([FILL_IN, "Go forward until the trash bin", FILL_IN, "Go forward until the tv"])
    text = render("route_planning", ("at the black chair and facing to white table", "tv", steps))
    assert text in set(official.question)
    poses = [parse("route_planning", text)[0] for text in official.question[official.question_type == "route_planning"]]
    assert route_pose("bathtub", "door") == "at the bathtub and facing the door"
    assert sum(pose.startswith("at the ") and " and facing the " in pose for pose in poses) > len(poses) / 2


def test_arguments_come_back_from_a_rendered_text() -> None:
    assert parse("object_rel_distance", render("object_rel_distance", ("tv", "bed", "sofa", "lamp", "trash bin"))) == (
        "tv",
        "bed",
        "sofa",
        "lamp",
        "trash bin",
    )
    easy = render("object_rel_direction_easy", ("stove", "tv", "sofa"))
    assert parse("object_rel_direction_easy", easy) == ("stove", "tv", "sofa")
    assert easy.endswith("right of the tv?")
    with pytest.raises(ValueError):
        parse("object_rel_direction_easy", easy.replace("right of the tv", "right of the bed"))

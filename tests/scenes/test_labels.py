"""Labels of every script are kept and asked about, mapped by the user's table, and the table is checked."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from ocr_hf.questions.generate import generate_questions
from ocr_hf.questions.question import VSI_BENCH_TYPES, QuestionConfig
from ocr_hf.scenes.readers.mesh_file import check_mesh_scene, load_mesh_scene
from tests.scenes.mesh_rooms import ROOMS, at, write

WORDS = {
    "german": ("Bett groß", "bett groß"),
    "french": ("Canape\u0301_1", "canapé"),
    "spanish": ("SillónGrande", "sillón grande"),
    "polish": ("łóżko_02", "łóżko"),
    "russian": ("Кровать", "кровать"),
    "greek": ("Καρέκλα_1", "καρέκλα"),
    "chinese": ("椅子_3", "椅子"),
    "japanese": ("ソファ.001", "ソファ"),
    "korean": ("의자 2", "의자"),
    "arabic": ("كرسي_٣", "كرسي"),
    "hebrew": ("כיסא", "כיסא"),
    "hindi": ("कुर्सी_1", "कुर्सी"),
    "thai": ("เก้าอี้", "เก้าอี้"),
    "vietnamese": ("BànĂn", "bàn ăn"),
    "turkish": ("İskemle", "iskemle"),
}


@pytest.mark.parametrize("suffix", [".glb", ".obj"])
@pytest.mark.parametrize("script", WORDS)
def test_labels_of_every_script_are_kept_and_asked_about(tmp_path, caplog, script, suffix):
    name, label = WORDS[script]
    path = write(tmp_path / f"room{suffix}", ROOMS["living"] | {name: at(3.0, 0.2, (0.5, 0.5, 0.9))})
    with caplog.at_level(logging.WARNING):
        scene = load_mesh_scene(path)
    assert label in {item.label for item in scene.objects}
    assert "give --labels TABLE to map them" in caplog.text
    made = generate_questions(scene, None, None, 3, QuestionConfig(VSI_BENCH_TYPES, visibility=None))
    asked = [question for question in made.questions if label in question.question]
    assert asked and "category: unknown or unusable name" not in made.skipped
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        mapped = load_mesh_scene(path, labels={name: "stool"})
    assert "stool" in {item.label for item in mapped.objects} and not caplog.records


def test_the_table_is_checked(tmp_path):
    table = tmp_path / "labels.csv"
    table.write_text("class,category\nSofaa,sofa\nRug,mat\nTV,gizmo\nPlant,\n", encoding="utf-8")
    checked = check_mesh_scene(write(tmp_path / "room.glb", ROOMS["living"]), labels=table)
    names, categories = (finding.text for finding in checked.findings)
    assert (
        names == "the table of labels names 'Sofaa', which the file doesn't have; correct the names, or leave them out"
    )
    assert categories.startswith("the table of labels maps to 'gizmo', which aren't categories of the project; check")
    assert {item.label for item in checked.scene.objects} == {"sofa", "table", "gizmo", "chair", "mat"}


def test_markup_in_a_name_is_no_category():
    from ocr_hf.scenes.class_words import is_name, words_of

    assert not is_name("<img src=x>") and not is_name("a\nb") and not is_name("") and not is_name("Bed")
    assert all(is_name(words_of(name)) and words_of(name) == label for name, label in WORDS.values())


def test_a_folder_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is a folder; give a table of labels, a JSON"):
        load_mesh_scene(write(tmp_path / "room.glb", ROOMS["living"]), labels=tmp_path)

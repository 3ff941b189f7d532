"""The official answers follow from the published boxes by our rules, and our checks accept the official questions."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from ocr_hf.questions.generate import generate_questions
from ocr_hf.questions.question import VSI_BENCH_TYPES
from ocr_hf.scenes.readers.vsi_meta import read_meta_info

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def figures(root: Path, shared: Path, tmp_path_factory: pytest.TempPathFactory) -> dict:
    """What the benchmark prints and writes."""
    output = tmp_path_factory.mktemp("benchmark") / "figures.json"
    command = [sys.executable, "benchmarks/questions_vs_official.py", "--quick", "--output", str(output)]
    files = ["--meta-info", str(shared / "vsi_bench/meta_info"), "--questions", str(shared / "vsi_bench/test.parquet")]
    done = subprocess.run([*command, *files], cwd=root, check=True, capture_output=True, text=True, timeout=300)
    return {"last_line": json.loads(done.stdout.splitlines()[-1]), **json.loads(output.read_text())}


def test_answers_agree(figures: dict) -> None:
    hits = figures["last_line"]
    assert hits["object_size_estimation"] == [953, 953]
    assert hits["room_size_estimation"] == [288, 288]
    assert hits["object_rel_distance"] == [710, 710]
    assert hits["object_rel_direction"] == [968, 968]
    assert hits["object_counting"] == [561, 565]
    assert hits["object_abs_distance"] == [830, 834]
    assert figures["within_0.1_m"] == {"object_abs_distance": [834, 834]}
    assert figures["agreement"] == hits


def test_texts_are_equal(figures: dict) -> None:
    assert sum(total for _, total in figures["text_equal"].values()) == 5130
    assert all(hits == total for hits, total in figures["text_equal"].values())


@pytest.mark.parametrize("rules", ["accepted_official_rules", "accepted_exact_rules"])
def test_checks_accept_what_was_asked_officially(figures: dict, rules: str) -> None:
    hits = sum(hits for hits, _ in figures[rules].values())
    total = sum(total for _, total in figures[rules].values())
    assert total == 4318
    assert hits >= 0.95 * total


def test_all_scenes_are_asked_about_within_a_minute(shared: Path) -> None:
    scenes = read_meta_info(shared / "vsi_bench" / "meta_info")
    start = time.process_time()
    made = {name: generate_questions(scene, None, None, 0).questions for name, scene in scenes.items()}
    assert time.process_time() - start < 60.0
    types = Counter(question.question_type for questions in made.values() for question in questions)
    # Without videos and floor plans there is no order of appearance and no route.
    assert set(types) == set(VSI_BENCH_TYPES) - {"obj_appearance_order", "route_planning"}
    assert types["room_size_estimation"] == 288
    assert types.total() > 5000
    assert all(questions for questions in made.values())

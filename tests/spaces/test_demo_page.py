"""The page of `make demo`: what it says, and that its videos play as one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ocr_hf.data.video import write_mp4
from ocr_hf.demo import load_twins, write_page
from tests.spaces.test_ocr_demo_page import browser, new_page, pictures  # noqa: F401

# ruff: noqa: F811 - pytest's fixtures are arguments of the same name
OBJECTS = [{"id": 1, "label": "<lamp>"}, {"id": 2, "label": "sofa"}, {"id": 3, "label": "chair"}]


def row(folder: Path, number: int, **named) -> dict:
    told = {
        "id": number, "clip_id": "home_07_00", "question_type": "object_rel_distance",
        "question": f"Which, number {number}?",
        "options": ["A. sofa", "B. <lamp>"], "ground_truth": "B", "objects": OBJECTS, "noisy_objects": [1, 2, 3],
        **{column: {"path": str(folder / f"{column}.mp4")} for column in ("vanilla", "noisy", "edited")}, **named,
    }  # fmt: skip
    for column in ("vanilla", "noisy", "edited"):
        if not (folder / f"{column}.mp4").is_file():
            write_mp4(folder / f"{column}.mp4", np.full((40, 48, 64, 3), 120, np.uint8), 10.0)
    return told


@pytest.fixture
def page(tmp_path) -> Path:
    rows = [row(tmp_path, number) for number in range(2)]
    edit = [{"kind": "remove", "objects": [1], "parameters": {}}]
    twin = row(tmp_path, 9, edit=json.dumps(edit), edited_ground_truth="A", relation="changes")
    write_page(rows, [twin], tmp_path / "index.html", [(twin, "B", "B"), (rows[0], "A", "B")])
    return tmp_path / "index.html"


def test_titles_are_for_people_and_the_models_answers_stand_under_the_videos(page) -> None:
    text = page.read_text()
    assert "<h2>Home 1: noise on &lt;lamp&gt;, sofa and chair</h2>" in text and "<lamp>" not in text
    (twin, home) = text.split("<section>")[1:]
    assert "One edit, another answer: &lt;lamp&gt; removed" in twin and "<b>B, now A</b>" in twin
    # Of the twin the model says B twice: right before the edit, wrong after it
    assert "<td class=good>B</td><td class=other>B</td>" in twin
    asked, more = home.split("<details>")
    assert "<td class=other>A</td><td class=good>B</td>" in asked and "number 0" in asked and "number 1" not in asked
    assert "1 more questions" in more and "number 1" in more and "<td class" not in more
    assert "src='vanilla.mp4'" in home and "src='noisy.mp4'" in home
    assert "<small>Relative distance</small> Which, number 0?" in home


def test_things_of_one_kind_are_counted_in_a_title(tmp_path) -> None:
    alike = [{"id": number, "label": label} for number, label in enumerate(("clock", "clock", "sofa"), start=1)]
    write_page([row(tmp_path, 0, objects=alike)], [], tmp_path / "index.html")
    assert "<h2>Home 1: noise on clock ×2 and sofa</h2>" in (tmp_path / "index.html").read_text()


def test_the_twin_that_is_shown_names_what_was_edited_in_few_words(tmp_path, monkeypatch) -> None:
    def twin(question: str, kind: str, objects: list, **parameters) -> dict:
        edit = [{"kind": kind, "objects": objects, "parameters": parameters}]
        return {"question": question, "edit": json.dumps(edit), "objects": OBJECTS, "relation": "changes"}

    rows = [
        twin("In which order come door and bed?", "move", [2]),
        twin("A robot stands at the sofa and goes a long way; where does it turn?", "move", [2]),
        twin("How many trash bin(s)?", "add", [9], label="trash bin"),
        {**twin("How many sofa(s)?", "move", [2]), "relation": "keeps"},
    ]
    monkeypatch.setattr("ocr_hf.data.load.load", lambda *_, **__: rows)
    monkeypatch.setattr("ocr_hf.data.schema.read_manifest", lambda folder: {})
    monkeypatch.setattr("ocr_hf.data.schema.configs_of", lambda manifest: ("twins",))
    assert [rows.index(found) for found in load_twins(tmp_path)] == [2, 1, 0]


@pytest.mark.slow
def test_both_videos_of_a_pair_play_as_one(browser, page) -> None:
    shown = new_page(browser, viewport={"width": 1000, "height": 800})
    complaints: list[str] = []
    shown.on("pageerror", lambda error: complaints.append(str(error)))
    shown.goto(page.as_uri())
    apart = """(least) => { const [a, b] = document.querySelectorAll('.pair')[0].querySelectorAll('video');
        return a.currentTime > least && Math.abs(a.currentTime - b.currentTime) < 0.25 && a.paused === b.paused; }"""
    shown.wait_for_function(apart, arg=0.3)  # it plays by itself
    shown.locator(".pair button").first.click()
    assert shown.evaluate("() => [...document.querySelectorAll('.pair video')].slice(0, 2).every((one) => one.paused)")
    shown.locator(".pair input").first.fill("0.75")
    shown.wait_for_function(apart, arg=2.9)
    # One of two that drifts is brought back
    shown.locator(".pair video").first.click()
    shown.evaluate("() => { document.querySelectorAll('.pair video')[1].currentTime = 0.5; }")
    shown.wait_for_function(apart, arg=0.3)
    shown.screenshot(path=pictures() / "make_demo.png")
    shown.close()
    assert complaints == []

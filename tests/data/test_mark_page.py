"""The page on which boxes and lengths are clicked, in a browser: what is saved there is read here, and is the box."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from ocr_hf.geometry.camera import project
from ocr_hf.scenes.filmed.mark_page import write_mark_page
from ocr_hf.scenes.filmed.marks import marked_objects, read_marks, scale_of
from tests.scenes.filmed_rooms import BOXES, CAMERA, HEIGHT, WIDTH, picture_of, solved_room

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
ROOM = solved_room()
LEFT, RIGHT = 0, 3


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Any]:
    """The page of a room, opened from the disk."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed on this machine (apt-get install chromium)")
    sync_api = pytest.importorskip("playwright.sync_api")
    write_mark_page(ROOM, tmp_path / "mark.html")
    (tmp_path / "frames").mkdir()
    for index in (LEFT, RIGHT):
        picture = picture_of(ROOM.camera_to_world[index], width=WIDTH, height=HEIGHT)
        cv2.imwrite(str(tmp_path / "frames" / ROOM.names[index]), picture)
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            tab = opened.new_page(viewport={"width": 1600, "height": 1000})
            # A busy machine takes a minute for what takes a second
            tab.set_default_timeout(180_000)
            tab.goto((tmp_path / "mark.html").as_uri())
            for side, index in (("left_at", LEFT), ("right_at", RIGHT)):
                tab.locator(f"#{side}").fill(str(index))
            yield tab
        finally:
            opened.close()


def click(tab: Any, point: np.ndarray) -> None:
    """Click where both pictures show a point of the room."""
    for side, index in (("left", LEFT), ("right", RIGHT)):
        (x, y), _ = project(point, CAMERA, ROOM.camera_to_world[index])
        size = tab.locator(f"#{side}").bounding_box()
        at = {"x": float(x) * size["width"] / WIDTH, "y": float(y) * size["height"] / HEIGHT}
        tab.locator(f"#{side}").click(position=at)


@pytest.mark.slow
def test_what_is_clicked_is_what_is_read(page: Any, tmp_path: Path) -> None:
    table = BOXES["table"]
    low, high = table.center - table.size / 2.0, table.center + table.size / 2.0
    edge = [np.array([low[0], low[1], high[2]]), np.array([high[0], low[1], high[2]])]
    click(page, edge[0])
    page.get_by_role("button", name="Next corner").click()
    # A corner in one picture only isn't one
    page.get_by_role("button", name="Next corner").click()
    assert "both pictures" in page.locator("#told").text_content()
    click(page, high)
    page.locator("#label").fill("table")
    page.get_by_label("stands on the floor").check()
    page.get_by_role("button", name="Done").click()
    assert "box: table, on the floor, 2 corners" in page.locator("#items").text_content()
    page.get_by_label("length", exact=True).check()
    click(page, edge[0])
    page.get_by_role("button", name="Next corner").click()
    click(page, edge[1])
    page.locator("#label").fill("edge")
    page.get_by_role("button", name="Done").click()
    # Marks outlive the page
    page.reload()
    assert page.locator("#items li").count() == 2
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save marks.json").click()
    saved.value.save_as(tmp_path / "marks.json")
    marks = read_marks(tmp_path / "marks.json")
    (found,) = marked_objects(ROOM, marks)
    assert found.label == "table" and np.abs(found.box.corners() - table.corners()).max() < 0.02
    assert scale_of(ROOM, marks, {"edge": 1.2})[0] == pytest.approx(1.0, abs=0.01)

"""`ocr-hf cameras`: a filmed room's cameras are thrown away and found again, and become a recorded scene."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest

from ocr_hf.cli import main
from ocr_hf.data.filmed_room import FilmedRoom, detected_boxes, film_room, given_boxes, scaled_objects
from ocr_hf.models.object_detector import load_detector
from ocr_hf.scenes.filmed.floor_plane import Floor
from ocr_hf.scenes.filmed.structure_from_motion import SolvedCameras, jump_of, write_features
from ocr_hf.scenes.filmed.video_pictures import Pictures
from ocr_hf.scenes.recorded.read_recorded import read_recorded
from tests.scenes.filmed_rooms import BOXES, clicks, picture_of, solved_room, write_video
from tests.scenes.test_filmed import ROOM, rectangles

TRUTH = solved_room(20, around=0.9)


def run(*words: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    return int(ended.value.code or 0)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A walk around a table, two pictures a second."""
    pytest.importorskip("pycolmap")
    frames = (picture_of(pose) for pose in TRUTH.camera_to_world)
    return write_video(tmp_path_factory.mktemp("filmed") / "study.mp4", frames, 2)


def registered(found: np.ndarray, truth: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Return scale, rotation and shift that take positions (N, 3) to the true ones (Umeyama 1991)."""
    a, b = found - found.mean(axis=0), truth - truth.mean(axis=0)
    u, s, vt = np.linalg.svd(b.T @ a)
    signs = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    turn = u @ np.diag(signs) @ vt
    scale = float((s * signs).sum() / (a**2).sum())
    return scale, turn, truth.mean(axis=0) - scale * turn @ found.mean(axis=0)


def marks_of(solved: SolvedCameras, found_to_true: tuple[float, np.ndarray, np.ndarray], path: Path) -> None:
    """Write what a user clicks: corners of the table and of its edge, where solved cameras see them."""
    scale, turn, shift = found_to_true

    def seen(point: np.ndarray, pictures: tuple[int, ...]) -> list[list]:
        return clicks(solved, (point - shift) @ turn / scale, pictures)

    low, high = BOXES["table"].center - BOXES["table"].size / 2.0, BOXES["table"].center + BOXES["table"].size / 2.0
    low[2] = high[2]
    other = np.array([high[0], low[1], high[2]])
    table = {
        "label": "table",
        "on_floor": True,
        "corners": [seen(low, (0, 5)), seen(high, (0, 5)), seen(other, (0, 5))],
    }
    length = {"name": "table", "ends": [seen(low, (0, 5)), seen(other, (0, 5))]}
    path.write_text(json.dumps({"version": 1, "lengths": [length], "boxes": [table]}))


@pytest.mark.real_scenes
@pytest.mark.slow
def test_the_pages_walk_runs(
    video: Path, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As docs/your-own-scans.md has it: cameras that were thrown away come back, and a data set is built."""
    page = (root / "docs/your-own-scans.md").read_text(encoding="utf-8")
    section = page.partition("\n## A phone video")[2].partition("\n## ")[0]
    first, second = (part.partition("```")[0].splitlines() for part in section.split("```bash\n")[1:3])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "study.mp4").symlink_to(video)
    assert first[0] == "pip install 'ocr-hf[video]'" and len(first) == 2
    assert run(*first[1].split()[1:]) == 0
    told = capsys.readouterr().out
    assert "registered 20 of 20 pictures (100%)" in told and "Open study.mp4.cameras/mark.html" in told
    room = film_room("study.mp4", "study.mp4.cameras")
    truth = TRUTH.camera_to_world[room.solved.numbers]
    scale, turn, shift = registered(room.solved.camera_to_world[:, :3, 3], truth[:, :3, 3])
    off = scale * room.solved.camera_to_world[:, :3, 3] @ turn.T + shift - truth[:, :3, 3]
    assert np.linalg.norm(off, axis=1).max() < 0.02
    # Upright: what takes the found world to the true one turns about z only
    assert turn[2, 2] > np.cos(np.radians(0.5)) and abs(shift[2]) < 0.02
    marks_of(room.solved, (scale, turn, shift), tmp_path / "marks.json")
    for line in second:
        assert run(*line.split()[1:]) == 0, line
    scene = read_recorded(tmp_path / "recordings/study")
    scale, _, _ = registered(scene.camera_to_world[:, :3, 3], truth[:, :3, 3])
    assert scale == pytest.approx(1.0, abs=0.005)
    (table,) = scene.scene.objects
    assert table.label == "table" and np.sort(table.box.size) == pytest.approx([0.75, 0.8, 1.2], abs=0.03)
    assert (tmp_path / "study.png").stat().st_size > 10_000
    assert run("cameras", "study.mp4", "--marks", "marks.json", "--known", "door:2.0", "--name", "other") == 1
    assert "'door' isn't in the marks" in capsys.readouterr().err


@pytest.mark.real_scenes
@pytest.mark.slow
def test_a_stopped_run_goes_on(video: Path, tmp_path: Path) -> None:
    """Killed once half of the features are there; the next run makes those that are missing, and no picture anew."""
    work = tmp_path / "work"
    words = [sys.executable, "-m", "ocr_hf.cli", "cameras", str(video), "--work", str(work), "--threads", "1"]
    first = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while first.poll() is None and not (work / "database.db").is_file():
        time.sleep(0.05)
    time.sleep(0.5)
    first.send_signal(signal.SIGKILL)
    first.wait()
    made = {path.name: os.stat(path).st_mtime_ns for path in (work / "pictures").iterdir()}
    steps = []
    room = film_room(video, work, report=lambda what, done, of: steps.append(what), threads=1)
    assert {path.name: os.stat(path).st_mtime_ns for path in (work / "pictures").iterdir()} == made
    assert "pictures" not in steps and len(room.solved.names) == 20
    steps.clear()
    again = film_room(video, work, report=lambda what, done, of: steps.append(what))
    assert not steps and np.array_equal(again.solved.camera_to_world, room.solved.camera_to_world)


def test_a_run_killed_before_it_had_features_leaves_one_camera(tmp_path: Path) -> None:
    pycolmap = pytest.importorskip("pycolmap")
    rng = np.random.default_rng(0)
    names = tuple(f"{number:06d}.png" for number in range(3))
    for name in names:
        blots = cv2.GaussianBlur(rng.integers(0, 255, (120, 160, 3), dtype=np.uint8), (0, 0), 1.5)
        cv2.imwrite(str(tmp_path / name), blots)
    pictures = Pictures(tmp_path, names, np.arange(3), np.arange(3.0), 160, 120)
    database = tmp_path / "database.db"

    def look(clear: bool = False) -> tuple[int, int, bool]:
        stored = pycolmap.Database.open(database)
        try:
            if clear:
                stored.clear_keypoints()
                stored.clear_descriptors()
            return stored.num_cameras(), stored.num_images(), stored.num_keypoints() > 0
        finally:
            stored.close()

    write_features(pictures, database, threads=1)
    assert look(clear=True) == (1, 3, False)
    write_features(pictures, database, threads=1)
    assert look() == (1, 3, True)


@pytest.mark.real_scenes
@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "told"),
    [("two rooms", "falls into 2 pieces"), ("noise", "none of the 14 pictures register"), ("one place", "none of the")],
)
def test_videos_that_do_not_register_are_refused(kind: str, told: str, tmp_path: Path) -> None:
    pytest.importorskip("pycolmap")
    poses = TRUTH.camera_to_world
    rng = np.random.default_rng(0)
    frames = {
        "two rooms": lambda: [picture_of(pose, seed=index // 12) for index, pose in enumerate([*poses[:12]] * 2)],
        "noise": lambda: [rng.integers(0, 255, (240, 320, 3), dtype=np.uint8) for _ in range(14)],
        "one place": lambda: [picture_of(poses[0])] * 14,
    }[kind]()
    video = write_video(tmp_path / "video.mp4", frames, 2)
    with pytest.raises(ValueError, match=told):
        film_room(video, tmp_path / "work", threads=1)
    assert not (tmp_path / "work/sparse").exists()


def test_a_camera_that_jumps_is_told() -> None:
    assert jump_of(TRUTH) is None
    poses = TRUTH.camera_to_world.copy()
    poses[12:, :3, 3] += [5.0, 0.0, 0.0]
    start, end, times = jump_of(SolvedCameras(**{**vars(TRUTH), "camera_to_world": poses}))
    assert (start, end) == (5.5, 6.0) and times > 6.0


def test_what_does_not_go_together_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, told in (
        (["--boxes", "b.json", "--detector", "x/y"], "--boxes or --detector, not both"),
        (["--classes", "chair"], "--classes goes with --detector"),
        (["--known", "door"], "known is 'door'; give the name of a marked length and its metres"),
        (["--known", "door:-2"], "known is 'door:-2'"),
    ):
        assert run("cameras", tmp_path / "video.mp4", *words) == 1
        assert told in capsys.readouterr().err
    assert run("cameras", tmp_path / "video.mp4") == 1
    assert "video.mp4" in capsys.readouterr().err


ITEM = {"id": 1, "label": "chair", "center": [0, 0, 1], "size": [1, 1, 2]}
SQUARE = [[0, 0, 0], [1, 0, 0], [1, 1, 0]]


def test_given_boxes_and_rooms_are_read(tmp_path: Path) -> None:
    path = tmp_path / "boxes.json"
    rooms = [{"name": "study", "floor": SQUARE, "height": 2.5}]
    path.write_text(json.dumps({"version": 1, "objects": [ITEM], "rooms": rooms}))
    (item,), ((name, floor, height),) = given_boxes(path)
    assert (item.id, item.label, name, height) == (1, "chair", "study", 2.5)
    assert np.array_equal(floor, SQUARE) and np.array_equal(item.box.size, [1.0, 1.0, 2.0])


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"rooms": [{"name": "study", "floor": SQUARE}]}, "room 0 has no 'height'; give a number above 0"),
        ({"rooms": [{"name": "study", "floor": SQUARE, "height": "x"}]}, 'room 0: height is "x"; give a number above'),
        ({"rooms": [{"name": "study", "floor": SQUARE, "height": 0}]}, "room 0: height is 0; give a number above 0"),
        ({"rooms": [{"name": "study", "floor": "here", "height": 2.5}]}, "room 0: floor is .*; give 3 numbers each"),
        ({"rooms": [{"name": "study", "floor": SQUARE, "height": 2.5, "Area": 1}]}, "room 0: a key is 'Area'"),
        ({"rooms": [3]}, "room 0 is 3; give an object with name, floor, height"),
        ({"objects": [{**ITEM, "size": [0, -1, 1]}]}, r"object 0 \('chair'\): box size is .*-1.0"),
        ({"objects": [{**ITEM, "label": None}]}, "object 0 has no box or no label"),
    ],
)
def test_given_boxes_that_are_not_as_told_are_refused(told: dict, message: str, tmp_path: Path) -> None:
    """In one sentence that names the file and the place in it, as recorded scenes' are."""
    path = tmp_path / "boxes.json"
    path.write_text(json.dumps({"version": 1, "objects": [ITEM], **told}))
    with pytest.raises(ValueError, match=f"boxes.json: {message}"):
        given_boxes(path)


def test_a_detectors_boxes_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for transformers' pipeline draws what a good detector would; nothing is fetched."""
    shown = iter(rectangles(noise_px=3.0))
    asked = []

    def pipeline(task: str, model: str):
        asked.append((task, model))

        def find(picture, candidate_labels: list[str], threshold: float) -> list[dict]:
            assert picture.size == (ROOM.width, ROOM.height) and threshold == 0.3
            sides = ("xmin", "ymin", "xmax", "ymax")
            return [
                {"label": f"{each.label}.", "score": each.score, "box": dict(zip(sides, each.rectangle, strict=True))}
                for each in next(shown)
                if each.label in candidate_labels
            ]

        return find

    stand_in = ModuleType("transformers")
    stand_in.__spec__, stand_in.pipeline = ModuleSpec("transformers", None), pipeline
    monkeypatch.setitem(sys.modules, "transformers", stand_in)
    for name in ROOM.names:
        cv2.imwrite(str(tmp_path / name), np.zeros((ROOM.height, ROOM.width, 3), dtype=np.uint8))
    find = load_detector("someone/detector", ["chair", "table", "cabinet"])
    room = FilmedRoom("room", ROOM, Floor(0, 0.0), tmp_path, tmp_path / "mark.html")
    objects, _ = detected_boxes(room, find)
    assert asked == [("zero-shot-object-detection", "someone/detector")]
    assert sorted(item.label for item in objects) == sorted(BOXES)
    # In metres once the scale is known: all lengths from one place
    for item, twice in zip(objects, scaled_objects(objects, 2.0), strict=True):
        assert np.allclose(twice.box.corners(), 2.0 * item.box.corners())
    with pytest.raises(ValueError, match="there are none; give some with --classes"):
        load_detector("someone/detector", [])

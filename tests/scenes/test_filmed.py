"""Filmed rooms: what is up and how long a metre is, boxes from clicks and from a detector, pictures without bend."""

from __future__ import annotations

import json
import re
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from ocr_hf.geometry.boxes import OrientedBox
from ocr_hf.geometry.camera import look_at, project
from ocr_hf.scenes.filmed.boxes_from_views import Detection, boxes_from_views
from ocr_hf.scenes.filmed.floor_plane import scaled, stand_upright
from ocr_hf.scenes.filmed.mark_page import write_mark_page
from ocr_hf.scenes.filmed.marks import marked_objects, read_marks, scale_of, triangulate
from ocr_hf.scenes.filmed.printed_marker import scale_of_marker
from ocr_hf.scenes.filmed.straight_frames import read_frames_of, straighten
from ocr_hf.scenes.filmed.structure_from_motion import NEIGHBOURS, image_pairs
from ocr_hf.scenes.filmed.video_pictures import take_pictures
from tests.scenes.filmed_rooms import BOXES, CAMERA, HEIGHT, LOW, WIDTH, clicks, solved_room, turned, write_video

ROOM = solved_room()
SIDES = (0, 3, 6)
"""Pictures that show the whole table from different sides."""


def corners(box: OrientedBox) -> tuple[np.ndarray, np.ndarray]:
    return box.center - box.size / 2.0, box.center + box.size / 2.0


def overlap(box: OrientedBox, other: OrientedBox) -> float:
    (a, b), (c, d) = corners(box), corners(other)
    shared = np.maximum(np.minimum(b, d) - np.maximum(a, c), 0.0).prod()
    return shared / (box.size.prod() + other.size.prod() - shared)


@settings(max_examples=10)
@given(st.integers(0, 10**6), st.floats(0.05, 20.0))
def test_any_world_is_stood_upright(seed: int, scale: float) -> None:
    """Floor, gravity and walls come back whatever world COLMAP chose, with noise of a hundredth on the points."""
    rng = np.random.default_rng(seed)
    motion = np.eye(4)
    motion[:3, :3], motion[:3, 3] = Rotation.random(random_state=seed).as_matrix(), rng.normal(size=3)
    noisy = replace(ROOM, points=ROOM.points + rng.normal(scale=0.01, size=ROOM.points.shape))
    placed, floor = stand_upright(turned(noisy, motion, scale))
    found, truth = placed.camera_to_world[:, :3, 3] / scale, ROOM.camera_to_world[:, :3, 3]
    turn, _ = Rotation.align_vectors(found - found.mean(axis=0), truth - truth.mean(axis=0))
    assert np.degrees(np.arccos(turn.as_matrix()[2, 2])) < 0.3
    yaw = np.degrees(np.arctan2(turn.as_matrix()[1, 0], turn.as_matrix()[0, 0])) % 90.0
    assert min(yaw, 90.0 - yaw) < 1.6
    assert np.abs(found[:, 2] - truth[:, 2]).max() < 0.03
    assert floor.points > 100


def test_without_a_floor_the_pictures_say_what_is_up() -> None:
    high = ROOM.points[:, 2] > 0.5
    row = np.cumsum(high) - 1
    seen = tuple(row[ids[high[ids]]] for ids in ROOM.seen)
    few = replace(ROOM, points=ROOM.points[high] + [0.0, 0.0, 5.0], seen=seen)
    _, floor = stand_upright(few)
    assert floor.points == 0


def test_pictures_turned_every_way_are_refused() -> None:
    poses = ROOM.camera_to_world.copy()
    poses[::2, :3, :2] *= -1.0
    with pytest.raises(ValueError, match="don't tell what is up"):
        stand_upright(replace(ROOM, camera_to_world=poses))


def marks_file(folder: Path, world=ROOM, off: float = 0.0) -> Path:
    """Write what a careful user clicks: the tables' and cabinet's opposite corners, the chair's upper ones."""
    entries = []
    for label, box in BOXES.items():
        low, high = corners(box)
        views = {"table": SIDES, "cabinet": (8, 12, 15), "chair": (0, 2, 21)}[label]
        if label == "chair":
            points = [[low[0], low[1], high[2]], [high[0], low[1], high[2]], [low[0], high[1], high[2]]]
        else:
            points = [[*low[:2], high[2]], high] if label == "table" else [low, high]
        entries.append(
            {
                "label": label,
                "on_floor": label != "cabinet",
                "corners": [clicks(world, np.array(point), views, off) for point in points],
            }
        )
    low, high = corners(BOXES["table"])
    edge = [[*low[:2], high[2]], [high[0], low[1], high[2]]]
    length = {"name": "table's edge", "ends": [clicks(world, np.array(end), SIDES[:2], off) for end in edge]}
    path = folder / "marks.json"
    path.write_text(json.dumps({"version": 1, "lengths": [length], "boxes": entries}))
    return path


def test_clicks_make_boxes(tmp_path: Path) -> None:
    objects = marked_objects(ROOM, read_marks(marks_file(tmp_path)))
    assert [item.label for item in objects] == list(BOXES) and [item.id for item in objects] == [1, 2, 3]
    for item, box in zip(objects, BOXES.values(), strict=True):
        assert np.abs(item.box.center - box.center).max() < 1e-6 and np.abs(item.box.size - box.size).max() < 1e-6


def test_clicks_that_miss_by_a_pixel_make_boxes_that_miss_by_centimetres(tmp_path: Path) -> None:
    for item, box in zip(marked_objects(ROOM, read_marks(marks_file(tmp_path, off=1.0))), BOXES.values(), strict=True):
        assert np.abs(item.box.size - box.size).max() < 0.05


def test_a_known_length_gives_the_scale(tmp_path: Path) -> None:
    marks = read_marks(marks_file(tmp_path))
    small = scaled(ROOM, 0.25)
    assert scale_of(small, marks, {"table's edge": 1.2})[0] == pytest.approx(4.0)
    with pytest.raises(ValueError, match="'door' isn't in the marks, marked are: table's edge"):
        scale_of(small, marks, {"door": 2.0})


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda places: [places[0], [places[1][0], places[1][1] + 90.0, places[1][2] + 60.0]], "no one point"),
        (lambda places: [places[0], ["999999.png", 1.0, 1.0]], "999999.png, which isn't among the registered"),
    ],
)
def test_clicks_that_no_point_explains_are_refused(spoil, told: str) -> None:
    places = clicks(ROOM, np.array([0.0, 0.0, 0.75]), SIDES[:2])
    with pytest.raises(ValueError, match=re.escape(told)):
        triangulate(ROOM, spoil(places), "box 1")


def test_clicks_from_one_place_are_refused() -> None:
    poses = ROOM.camera_to_world.copy()
    poses[3] = poses[0]
    poses[3, :3, 3] += 0.002
    still = replace(ROOM, camera_to_world=poses)
    with pytest.raises(ValueError, match="from nearly one place"):
        triangulate(still, clicks(still, np.array([0.0, 0.0, 0.75]), (0, 3)), "length 'door', end 1")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda marks: marks["boxes"][0].update(corners=[[["000000.png", 1, 1]], []]), "in two pictures or more"),
        (lambda marks: marks["boxes"][0].update(label=""), "label is"),
        (lambda marks: marks["boxes"][0].update(on_floor="yes"), "true or false"),
        (lambda marks: marks["boxes"][0].update(on_floor=1), "on_floor is 1; give true or false"),
        (lambda marks: marks["boxes"][0].update(on_floor=0.0), "on_floor is 0.0; give true or false"),
        (lambda marks: marks["lengths"].append(marks["lengths"][0]), "two lengths named"),
        (lambda marks: marks.update(Boxes=[]), "a key is 'Boxes'"),
        (lambda marks: marks["boxes"][0]["corners"][0][0].__setitem__(1, "left"), "corners is"),
    ],
)
def test_damaged_marks_are_refused(change, told: str, tmp_path: Path) -> None:
    path = marks_file(tmp_path)
    marks = json.loads(path.read_text())
    change(marks)
    path.write_text(json.dumps(marks))
    with pytest.raises(ValueError, match=re.escape(told)):
        read_marks(path)


def with_marker(side_m: float) -> tuple[list[np.ndarray], np.ndarray]:
    """Return pictures of a marker on the table, and their poses."""
    pattern = cv2.aruco.generateImageMarker(cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_4X4_50), 7, 240)
    paper = np.full((360, 360), 255, dtype=np.uint8)
    paper[60:300, 60:300] = pattern
    half = side_m * 360 / 240 / 2
    # The paper's corners, as OpenCV counts pixels: from the first one's centre
    on_paper = np.array([[-0.5, -0.5], [359.5, -0.5], [359.5, 359.5], [-0.5, 359.5]], dtype=np.float32)
    on_table = np.array([[-half, half, 0.75], [half, half, 0.75], [half, -half, 0.75], [-half, -half, 0.75]])
    pictures, poses = [], []
    for a in (-0.8, -0.4, 0.0, 0.4):
        pose = look_at(np.array([1.2 * np.sin(a), -1.2 * np.cos(a), 1.6]), np.array([0.0, 0.0, 0.75]))
        seen, _ = project(on_table, CAMERA, pose)
        turn = cv2.getPerspectiveTransform(on_paper, (seen - 0.5).astype(np.float32))
        grey = cv2.warpPerspective(paper, turn, (WIDTH, HEIGHT), borderValue=128)
        pictures.append(np.repeat(grey[..., None], 3, axis=2))
        poses.append(pose)
    return pictures, np.stack(poses)


def test_a_printed_marker_gives_the_scale() -> None:
    pictures, poses = with_marker(0.2)
    solved = replace(scaled(ROOM, 1.0), camera_to_world=poses, names=ROOM.names[:4], seen=ROOM.seen[:4])
    factor, views = scale_of_marker(scaled(solved, 0.1), pictures, 0.2)
    assert factor == pytest.approx(10.0, rel=0.01) and views == 4
    with pytest.raises(ValueError, match="no marker gives the scale"):
        scale_of_marker(solved, pictures[:2], 0.2)
    with pytest.raises(ValueError, match="marker is 0"):
        scale_of_marker(solved, pictures, 0.0)


def rectangles(noise_px: float, seed: int = 0) -> list[list[Detection]]:
    """Return what a good detector finds: outlines of the boxes, cut at the border, and some that show nothing."""
    rng = np.random.default_rng(seed)
    found = []
    for pose in ROOM.camera_to_world:
        of_picture = []
        for label, box in BOXES.items():
            pixels, _ = project(box.corners(), CAMERA, pose)
            if not np.isfinite(pixels).all():
                continue
            low, high = pixels.min(axis=0), pixels.max(axis=0)
            cut = np.clip(np.append(low, high), 0, [WIDTH, HEIGHT, WIDTH, HEIGHT])
            if (cut[2:] - cut[:2] > 0.6 * (high - low)).all():
                cut = cut + np.where((cut > 0) & (cut < [WIDTH, HEIGHT] * 2), rng.normal(0, noise_px, 4), 0.0)
                of_picture.append(Detection(label, 0.8, tuple(cut)))
        x, y = rng.uniform(0, [WIDTH - 150, HEIGHT - 150])
        of_picture.append(Detection("chair", 0.4, (x, y, x + rng.uniform(30, 150), y + rng.uniform(30, 150))))
        found.append(of_picture)
    return found


def test_a_detectors_rectangles_make_boxes() -> None:
    objects, left_out = boxes_from_views(ROOM, rectangles(noise_px=3.0))
    for label, box in BOXES.items():
        best = max((overlap(item.box, box) for item in objects if item.label == label), default=0.0)
        assert best > 0.7, (label, best)
    # Those at random places agree nowhere
    assert len(objects) == len(BOXES) and sum(left_out.values()) >= 8


def test_rectangles_of_one_picture_make_no_box() -> None:
    few = [found if index < 2 else [] for index, found in enumerate(rectangles(0.0))]
    objects, left_out = boxes_from_views(ROOM, few)
    assert not objects and left_out["seen from too few directions"] >= 2


def test_straight_frames_are_a_pinholes(tmp_path: Path) -> None:
    """A picture that tells the ray of each pixel tells, straightened, that of the camera that is returned."""
    bend = 0.12
    v, u = np.mgrid[0:HEIGHT, 0:WIDTH] + 0.5
    x, y = (u - CAMERA[0, 2]) / CAMERA[0, 0], (v - CAMERA[1, 2]) / CAMERA[1, 1]
    # Invert x (1 + k r^2) = distorted by steps
    straight_x, straight_y = x.copy(), y.copy()
    for _ in range(30):
        factor = 1.0 + bend * (straight_x**2 + straight_y**2)
        straight_x, straight_y = x / factor, y / factor
    picture = np.stack([straight_x * 100 + 128, straight_y * 100 + 128, np.full_like(x, 9)], axis=-1)
    (tmp_path / "pictures").mkdir()
    cv2.imwrite(str(tmp_path / "pictures/000000.png"), np.rint(picture).astype(np.uint8))
    lens = replace(ROOM, names=("000000.png",), distortion=bend, camera_to_world=ROOM.camera_to_world[:1])
    found = straighten(lens, tmp_path / "pictures", tmp_path / "frames")
    frame = cv2.imread(str(tmp_path / "frames/000000.png")).astype(np.float64)
    focal, cx, cy = found.intrinsics[0, 0], found.intrinsics[0, 2], found.intrinsics[1, 2]
    expected = np.stack([(u - cx) / focal * 100 + 128, (v - cy) / focal * 100 + 128], axis=-1)
    assert np.abs(frame[..., :2] - expected).max() < 1.5 and found.distortion == 0.0
    assert (frame[..., 2] == 9).all()
    # Frames that are there are kept: a second call writes none
    (tmp_path / "pictures/000000.png").unlink()
    assert straighten(lens, tmp_path / "pictures", tmp_path / "frames").intrinsics[0, 0] == focal


@contextmanager
def full_disk(free: int) -> Iterator[None]:
    """Refuse what goes beyond `free` bytes of a file, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (free, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("free", [0, 20_000])
def test_a_full_disk_leaves_no_folder_that_passes_for_complete(free: int, tmp_path: Path) -> None:
    """Neither of pictures nor of frames; with space again both are made, whatever is there."""
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 255, (240, 320, 3), dtype=np.uint8) for _ in range(14)]
    video = write_video(tmp_path / "room.mp4", noise, 2)
    pictures, frames = tmp_path / "work/pictures", tmp_path / "work/frames"
    with (
        full_disk(free),
        pytest.raises(OSError, match=r"can't write .*000000.png \(.+\); free some space and run again"),
    ):
        take_pictures(video, pictures, 2.0, 320)
    assert not list(pictures.iterdir())
    found = take_pictures(video, pictures, 2.0, 320)
    count = len(found.names)
    lens = replace(
        ROOM,
        names=found.names,
        camera_to_world=ROOM.camera_to_world[:count],
        distortion=0.05,
        intrinsics=np.diag([0.5, 0.5, 1.0]) @ CAMERA,
        width=320,
        height=240,
    )
    with full_disk(free), pytest.raises(OSError, match="can't write .*000000.png .*; free some space and run again"):
        straighten(lens, pictures, frames)
    assert not list(frames.iterdir())
    straight = straighten(lens, pictures, frames)
    assert [frame.shape for frame in read_frames_of(straight, frames)] == [(240, 320, 3)] * count


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_bytes(path.read_bytes()[:-99])])
def test_folders_that_lack_a_picture_are_not_taken_for_complete(damage: Callable[[Path], None], tmp_path: Path) -> None:
    """A frame is made again; of a picture it is told, since cameras were solved for what was there."""
    rng = np.random.default_rng(0)
    video = write_video(
        tmp_path / "room.mp4", [rng.integers(0, 255, (240, 320, 3), dtype=np.uint8) for _ in range(14)], 2
    )
    pictures, frames = tmp_path / "work/pictures", tmp_path / "work/frames"
    names = take_pictures(video, pictures, 2.0, 320).names
    lens = replace(ROOM, names=names, camera_to_world=ROOM.camera_to_world[: len(names)], width=320, height=240)
    straight = straighten(lens, pictures, frames)
    before = list(read_frames_of(straight, frames))
    damage(frames / names[1])
    with pytest.raises(ValueError, match=f"{names[1]} can't be read; remove {frames} and run again"):
        list(read_frames_of(straight, frames))
    straighten(lens, pictures, frames)
    assert np.array_equal(before, list(read_frames_of(straight, frames)))
    damage(pictures / names[1])
    with pytest.raises(ValueError, match=f"lacks {names[1]}, .*or has it in part; remove the folder and run again"):
        take_pictures(video, pictures, 2.0, 320)


def test_every_picture_is_matched_with_those_around_it_and_far_ones() -> None:
    pairs = image_pairs(100)
    assert len(set(pairs)) == len(pairs) and all(i < j < 100 for i, j in pairs)
    assert {(40, 40 + step) for step in range(1, NEIGHBOURS + 1)} <= set(pairs) and (40, 72) in pairs
    assert (0, 90) in pairs and (10, 80) in pairs and (11, 80) not in pairs
    assert image_pairs(1) == []


def test_the_sharpest_picture_of_each_moment_is_taken(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    sharp = cv2.resize(rng.integers(0, 255, (60, 80, 3), dtype=np.uint8), (640, 480), interpolation=cv2.INTER_NEAREST)
    soft = cv2.GaussianBlur(sharp, (0, 0), 8)
    # 16 a second: frame 2 of each eight is the only sharp one in the first half of its half second
    frames = [sharp if number % 8 == 2 else soft for number in range(8 * 14)]
    video = write_video(tmp_path / "room.mp4", frames, 16)
    told = []
    found = take_pictures(video, tmp_path / "work/pictures", 2.0, 320, lambda done, of: told.append((done, of)))
    assert found.numbers.tolist() == list(range(2, 8 * 14, 8)) and (found.width, found.height) == (320, 240)
    assert told == [(number, 14) for number in range(1, 15)]
    assert found.times_s == pytest.approx(found.numbers / 16)
    told.clear()
    again = take_pictures(video, tmp_path / "work/pictures", 2.0, 320, lambda done, of: told.append((done, of)))
    assert again.names == found.names and not told
    with pytest.raises(ValueError, match="another run.*fps 2.0, not 3.0"):
        take_pictures(video, tmp_path / "work/pictures", 3.0, 320)
    with pytest.raises(ValueError, match="cameras need 12 at least"):
        take_pictures(video, tmp_path / "short", 1.0, 320)


def test_the_pages_data_can_be_read(tmp_path: Path) -> None:
    write_mark_page(ROOM, tmp_path / "mark.html")
    page = (tmp_path / "mark.html").read_text()
    told = json.loads(re.search(r"^const data = (.*);$", page, re.M)[1].replace("<\\/", "</"))
    assert [each["name"] for each in told["pictures"]] == list(ROOM.names) and "chair" in told["categories"]
    times = [each["time_s"] for each in told["pictures"]]
    assert all(earlier < later for earlier, later in pairwise(times)) and LOW[2] == 0.0

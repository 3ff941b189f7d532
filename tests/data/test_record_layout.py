"""Recordings in other layouts: one room written in each comes back through the intake, and what is wrong is told."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import given as drawn
from hypothesis import strategies as st
from PIL import Image

from ocr_hf.cli import main
from ocr_hf.data.record_layout import write_recording
from ocr_hf.questions.exclude import vsi_bench_scenes
from ocr_hf.scenes.recorded.camera_layouts import LAYOUTS, read_cameras
from ocr_hf.scenes.recorded.read_recorded import read_recorded
from tests.scenes import layout_folders
from tests.scenes.boxes import room
from tests.scenes.layout_folders import CAMERA, COUNT, FPS, HEIGHT, WIDTH, WRITERS, Recorded, options


@pytest.fixture(scope="module")
def given() -> Recorded:
    return layout_folders.recorded()


@pytest.fixture
def boxes(tmp_path: Path) -> Path:
    return layout_folders.write_boxes(tmp_path / "my_boxes.json")


def test_every_layout_is_tested() -> None:
    assert {layout for layout, _ in WRITERS.values()} == set(LAYOUTS)


@pytest.mark.parametrize("kind", WRITERS)
def test_what_was_recorded_comes_back(kind: str, given: Recorded, boxes: Path, tmp_path: Path) -> None:
    layout, write = WRITERS[kind]
    write(tmp_path / "study", given)
    scene, dropped = write_recording(tmp_path / "study", layout, boxes, tmp_path / "out", **options(layout))
    assert scene == tmp_path / "out" / "study" and dropped == {}
    found = read_recorded(scene)
    assert np.abs(found.camera_to_world - given.poses).max() < 1e-6
    assert np.abs(found.intrinsics - CAMERA).max() < 1e-9
    assert np.allclose(found.times_s - found.times_s[0], np.arange(COUNT) / FPS, atol=1e-5)
    assert np.array_equal(np.stack(list(found.images(range(COUNT)))), given.frames)
    for box, item in zip((item.box for item in room().objects), found.scene.objects, strict=True):
        assert np.abs(box.corners() - item.box.corners()).max() < 1e-9
    assert found.has_depth.all() == (layout != "colmap")
    for index in np.flatnonzero(found.has_depth):
        assert np.abs(found.depth(index) - given.depth[index]).max() < 0.00051


def test_declared_axes_and_units_are_passed_on(given: Recorded, boxes: Path, tmp_path: Path) -> None:
    layout_folders.open3d(tmp_path / "study", given)
    scene, _ = write_recording(
        tmp_path / "study", "open3d", boxes, tmp_path, name="other", licence="cc-by-4.0", attribution=["A. Person"],
        scan="room 7", dataset="mine", **options("open3d"),
    )  # fmt: skip
    told = json.loads((scene / "cameras.json").read_text())
    assert (told["camera_axes"], told["poses"], told["up"], told["units"]) == ("opencv", "camera_to_world", "+z", "m")
    assert (told["licence"], told["attribution"], told["scan"]) == ("cc-by-4.0", ["A. Person"], "room 7")
    assert (scene / "boxes.json").read_bytes() == boxes.read_bytes()
    cameras = read_cameras(tmp_path / "study", "open3d", up="-y", units="mm", fps=1.0, depth_unit_m=0.0005)
    assert (cameras.up, cameras.units, cameras.depth_unit_m, cameras.times_s[1]) == ("-y", "mm", 0.0005, 1.0)


def test_rgbd_frames_are_matched_by_time(given: Recorded, tmp_path: Path) -> None:
    folder = tmp_path / "study"
    layout_folders.tum(folder, given, late_s=0.02)
    poses = (folder / "groundtruth.txt").read_text().splitlines()
    (folder / "groundtruth.txt").write_text("\n".join(line for i, line in enumerate(poses) if i not in (3, 4)))
    maps = (folder / "depth.txt").read_text().splitlines()
    (folder / "depth.txt").write_text("\n".join(line for i, line in enumerate(maps) if i not in (4, 9)))
    found = read_cameras(folder, "tum", **options("tum"))
    kept = [0, 1, 4, 5, 6, 7, 9, 10]  # line 1 is frame 0
    assert np.abs(found.camera_to_world - given.poses[kept]).max() < 1e-6
    assert found.dropped == {"without a pose": 2, "without depth": 1}
    for index, number in enumerate(kept):
        assert np.array_equal(np.array(Image.open(found.images[index])), given.frames[number])
        assert np.array_equal(
            np.array(Image.open(found.depth[index])), layout_folders.steps(given.depth[number], 0.0002)
        )


@pytest.mark.parametrize("kind", ["nerfstudio", "colmap text"])
def test_cameras_that_refocus_are_passed_on(kind: str, given: Recorded, boxes: Path, tmp_path: Path) -> None:
    layout, write = WRITERS[kind]
    write(tmp_path / "study", given)
    focal = 50.0 + np.arange(COUNT) / 10.0
    if layout == "nerfstudio":
        path = tmp_path / "study/transforms.json"
        told = json.loads(path.read_text())
        for frame in told["frames"]:
            number = int(re.findall(r"\d+", frame["file_path"])[0])
            frame.update(fl_x=focal[number], fl_y=focal[number])
        path.write_text(json.dumps(told))
    else:
        model = tmp_path / "study/sparse/0"
        words = f"{CAMERA[0, 2]} {CAMERA[1, 2]}"
        lines = [f"{n + 1} PINHOLE {WIDTH} {HEIGHT} {f} {f} {words}" for n, f in enumerate(focal)]
        (model / "cameras.txt").write_text("\n".join(lines))
        text = (model / "images.txt").read_text()
        (model / "images.txt").write_text(re.sub(r" 1 (frame_(\d+).png)", r" \2 \1", text))
    scene, _ = write_recording(tmp_path / "study", layout, boxes, tmp_path / "out", **options(layout))
    told = json.loads((scene / "cameras.json").read_text())
    assert [frame["intrinsics"][0][0] for frame in told["frames"]] == pytest.approx(focal)
    found = read_recorded(scene)
    assert "focal lengths run from 50.0 to 51.0" in found.notes[0] and found.intrinsics[0, 0] == pytest.approx(51.0)


def test_two_pictures_never_share_a_pose(given: Recorded, tmp_path: Path) -> None:
    folder = tmp_path / "study"
    layout_folders.tum(folder, given)
    lines = (folder / "rgb.txt").read_text().splitlines()
    near = f"{float(lines[4].split()[0]) + 0.012:.6f} {lines[4].split()[1]}"
    (folder / "rgb.txt").write_text("\n".join([*lines, near]))
    found = read_cameras(folder, "tum", **options("tum"))
    # 7 ms before its pose is further than 5 ms after it
    assert len(found.images) == COUNT and found.dropped == {"without a pose": 1}
    assert found.times_s[3] - found.times_s[2] == pytest.approx(0.262, abs=1e-5)


def test_pictures_that_colmap_left_out_are_counted(given: Recorded, tmp_path: Path) -> None:
    folder = tmp_path / "study"
    layout_folders.colmap_text(folder, given)
    path = folder / "sparse/0/images.txt"
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[:4] + lines[6:]) + "\n")  # written backwards: the ninth of eleven
    found = read_cameras(folder, "colmap", **options("colmap"))
    assert found.dropped == {"without a pose": 1} and len(found.images) == COUNT - 1
    assert np.allclose(found.times_s * FPS, [0, 1, 2, 3, 4, 5, 6, 7, 9, 10])


def test_open3d_frames_without_a_pose_are_counted(given: Recorded, tmp_path: Path) -> None:
    folder = tmp_path / "study"
    layout_folders.open3d(folder, given)
    lines = (folder / "trajectory.log").read_text().splitlines()
    (folder / "trajectory.log").write_text("\n".join(lines[:10] + lines[15:]))
    found = read_cameras(folder, "open3d", **options("open3d"))
    assert found.dropped == {"without a pose": 1}
    assert np.abs(found.camera_to_world - np.delete(given.poses, 2, axis=0)).max() < 1e-6
    assert np.allclose(found.times_s * FPS, np.delete(np.arange(COUNT), 2))


def edited(name: str, change: Callable[[Any], None]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        told = json.loads((folder / name).read_text())
        change(told)
        (folder / name).write_text(json.dumps(told))

    return damage


def replaced(name: str, old: str, new: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        text = (folder / name).read_text()
        assert re.search(old, text)
        (folder / name).write_text(re.sub(old, new, text))

    return damage


def removed(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def smaller(name: str) -> Callable[[Path], None]:
    return lambda folder: Image.open(folder / name).resize((32, 24)).save(folder / name)


def second_model(folder: Path) -> None:
    (folder / "sparse/1").mkdir()
    (folder / "sparse/1/images.txt").write_text((folder / "sparse/0/images.txt").read_text())


IMAGE_SIZE = f"{WIDTH}x{HEIGHT}"
DAMAGES = {
    "missing image": ("nerfstudio", removed("images/frame_3.png"), {}, "'./images/frame_3.png' is not there; copy"),
    "image outside": (
        "nerfstudio", edited("transforms.json", lambda told: told["frames"][0].update(file_path="../a.png")), {},
        "'../a.png' leads out of the scene's folder; give a path below it",
    ),
    "mixed resolutions": (
        "nerfstudio", smaller("images/frame_3.png"), {},
        f"study/images/frame_3.png is 32x24, but frame_0.png is {IMAGE_SIZE}; give pictures of one size",
    ),
    "another camera model": (
        "nerfstudio", edited("transforms.json", lambda told: told.update(camera_model="OPENCV_FISHEYE")), {},
        "camera model OPENCV_FISHEYE is none of .*; undistort the images",
    ),
    "distortion": (
        "nerfstudio", edited("transforms.json", lambda told: told.update(k1=0.1)), {},
        r"lens distortion of OPENCV is \[0.1, .*; undistort the images",
    ),
    "frame without pose": (
        "nerfstudio", edited("transforms.json", lambda told: told["frames"][2].pop("transform_matrix")), {},
        "frame 2: it has no transform_matrix .*; repair or remove it",
    ),
    "two cameras": (
        "nerfstudio", edited("transforms.json", lambda told: told["frames"][2].update(fl_x=80.0)), {},
        "focal lengths run from 50.0 to 80.0 pixels .*; write a scene for each lens",
    ),
    "cameras of two sizes": (
        "nerfstudio", edited("transforms.json", lambda told: told["frames"][2].update(w=128)), {},
        "frame 2 has another camera than frame 10; a clip has one, give the frames of a single camera",
    ),
    "no camera": (
        "nerfstudio", edited("transforms.json", lambda told: told.pop("w")), {}, "has no w, h and fl_x; add them",
    ),
    "depth as an array": (
        "nerfstudio",
        lambda folder: [
            (folder / "depths/a.npy").touch(),
            edited("transforms.json", lambda told: told["frames"][0].update(depth_file_path="depths/a.npy"))(folder),
        ],
        {}, "depth map 'a.npy' is no PNG; write 16-bit PNGs",
    ),
    "no times": ("nerfstudio", lambda folder: None, {"fps": None}, "transforms.json has no times; give fps"),
    "bad fps": ("nerfstudio", lambda folder: None, {"fps": -1.0}, "fps is -1.0; give a number above 0"),
    "unknown up": ("nerfstudio", lambda folder: None, {"up": "z"}, "up is 'z'; "),
    "colmap of another size": (
        "colmap text", replaced("sparse/0/cameras.txt", IMAGE_SIZE.replace("x", " "), "128 96"), {},
        f"study: the camera is for 128x96 pictures, frame_1.png is {IMAGE_SIZE}; give the pictures that",
    ),
    "colmap with distortion": (
        "colmap text", replaced("sparse/0/cameras.txt", "PINHOLE (.*)", r"OPENCV \1 0.1 0 0 0"), {},
        "lens distortion of OPENCV is .*; undistort the images",
    ),
    "colmap fisheye": (
        "colmap text", replaced("sparse/0/cameras.txt", "PINHOLE (.*)", r"OPENCV_FISHEYE \1 0 0 0 0"), {},
        "camera model OPENCV_FISHEYE is none of .*; undistort the images",
    ),
    "colmap image missing": ("colmap text", removed("images/frame_4.png"), {}, "'frame_4.png' is not there; copy"),
    "colmap in two pieces": (
        "colmap text", second_model, {}, r"study has 2 models \(sparse/0, sparse/1\), .*; keep one of them",
    ),
    "colmap without camera": (
        "colmap text", removed("sparse/0/cameras.txt"), {}, "sparse/0 has no cameras.txt or cameras.bin .*; copy it",
    ),
    "no camera of a tum folder": (
        "tum", lambda folder: None, {"intrinsics": None}, "study says nothing of its camera; give intrinsics",
    ),
    "two clocks": (
        "tum", replaced("groundtruth.txt", r"(?m)^13", "14"), {},
        "no picture has a pose within 0.02 s .*; give both the times of one clock",
    ),
    "names without times": (
        "tum, times as names", lambda folder: next((folder / "rgb").iterdir()).rename(folder / "rgb/a.png"), {},
        "rgb/a.png has no time as its name, and there is no rgb.txt; write one",
    ),
    "a line without a file": (
        "tum", replaced("rgb.txt", r" rgb/1305031102.175300.png", ""), {},
        "rgb.txt, line 2: '1305031102.175300'; give a time and a file name",
    ),
    "depth of 8 bits": (
        "open3d", lambda folder: Image.new("L", (WIDTH, HEIGHT)).save(folder / "depth/0.png"), {},
        "study/depth/000000.png is PNG of mode L; give depth as a grey 16-bit PNG",
    ),
    "picture with transparency": (
        "open3d", lambda folder: Image.new("RGBA", (WIDTH, HEIGHT)).save(folder / "color/0.png"), {},
        "study/frames/000000.png has mode RGBA; give 8-bit RGB",
    ),
    "tum image missing": ("tum", removed("rgb/1305031102.175300.png"), {}, "'rgb/1305031102.175300.png' is not there"),
    "more pictures than maps": (
        "open3d", removed("depth/3.png"), {}, "has 11 pictures in color/ and 10 maps in depth/.*; remove those",
    ),
    "poses beyond the pictures": (
        "open3d", replaced("trajectory.log", "10 10 11", "11 11 12"), {},
        "has a pose for frame 11, but color/ holds 11 pictures, numbered from 0; copy the missing pictures",
    ),
    "cut trajectory": (
        "open3d", replaced("trajectory.log", r"\n[^\n]*\Z", ""), {}, "trajectory.log has 54 lines; give 5 a pose",
    ),
    "a frame twice": (
        "open3d", replaced("trajectory.log", "\n1 1 2\n", "\n0 0 1\n"), {}, "line 6: frame 0; give each frame a whole",
    ),
    "camera of another size": (
        "open3d", edited("camera_intrinsic.json", lambda told: told.update(width=640)), {},
        f"the camera is for 640x48 pictures, 0.png is {IMAGE_SIZE}; give the pictures",
    ),
    "no matrix": (
        "open3d", edited("camera_intrinsic.json", lambda told: told.pop("intrinsic_matrix")), {},
        "camera_intrinsic.json can't be read .*; give width, height and intrinsic_matrix",
    ),
}  # fmt: skip
"""What is wrong -> the kind of folder, what is done to it, other options, and what is said."""


@pytest.mark.parametrize("name", DAMAGES)
def test_what_is_wrong_is_told(name: str, given: Recorded, boxes: Path, tmp_path: Path) -> None:
    kind, damage, more, said = DAMAGES[name]
    layout, write = WRITERS[kind]
    write(tmp_path / "study", given)
    damage(tmp_path / "study")
    with pytest.raises(ValueError, match=said) as told:
        write_recording(tmp_path / "study", layout, boxes, tmp_path / "out", **{**options(layout), **more})
    assert "\n" not in str(told.value) and ". " not in str(told.value).replace(str(tmp_path), "")
    assert not list((tmp_path / "out").glob("*"))


def test_the_page_runs_as_it_stands(
    root: Path, given: Recorded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (root / "docs/your-own-scans.md").read_text(encoding="utf-8")
    (script,) = re.findall(r"```python\n# record_other_layouts.py\n(.*?)```", page, re.S)
    monkeypatch.chdir(tmp_path)
    for kind in ("tum", "open3d", "colmap text", "nerfstudio"):
        layout, write = WRITERS[kind]
        write(tmp_path / f"my_{layout}_room", given)
        layout_folders.write_boxes(tmp_path / f"my_{layout}_room/boxes.json")
        assert f"| `{layout}` | {LAYOUTS[layout].about} |" in page
    # The page's camera is of larger pictures
    script, count = re.subn(r"np.array\(\[\[525.*\]\]\)", f"np.array({CAMERA.tolist()})", script)
    assert count == 1
    exec(script, {})
    assert {folder.name for folder in (tmp_path / "recordings").iterdir()} == {f"my_{name}_room" for name in LAYOUTS}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_empty_folder_is_told(layout: str, boxes: Path, tmp_path: Path) -> None:
    (tmp_path / "study").mkdir()
    with pytest.raises(FileNotFoundError, match="; give "):
        write_recording(tmp_path / "study", layout, boxes, tmp_path / "out", **options(layout))


def test_boxes_are_checked_before_and_after(given: Recorded, boxes: Path, tmp_path: Path) -> None:
    layout_folders.open3d(tmp_path / "study", given)
    told = json.loads(boxes.read_text())
    for change, said in (
        ({"rooms": 3}, "my_boxes.json: rooms is 3; give a list"),
        ({"objects": [{**item, "center": [0, 0, 50]} for item in told["objects"]]}, "none of its 3 boxes is in view"),
    ):
        boxes.write_text(json.dumps({**told, **change}))
        with pytest.raises(ValueError, match=said):
            write_recording(tmp_path / "study", "open3d", boxes, tmp_path / "out", **options("open3d"))
        assert not list((tmp_path / "out").glob("*"))
    with pytest.raises(ValueError, match="layout is 'colmpa'; did you mean 'colmap'"):
        write_recording(tmp_path / "study", "colmpa", tmp_path / "my_boxes.json", tmp_path / "out", up="+z")


@pytest.mark.parametrize("kind", WRITERS)
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@drawn(choice=st.data())
def test_damage_anywhere_is_told_or_harmless(
    kind: str, choice: st.DataObject, given: Recorded, boxes: Path, tmp_path: Path
) -> None:
    layout, write = WRITERS[kind]
    for folder in ("study", "out"):
        shutil.rmtree(tmp_path / folder, ignore_errors=True)
    write(tmp_path / "study", given)
    files = sorted(path for path in (tmp_path / "study").rglob("*.*") if path.suffix != ".png")
    path = choice.draw(st.sampled_from(files))
    data = bytearray(path.read_bytes())
    for place in choice.draw(st.lists(st.integers(0, len(data) - 1), max_size=10)):
        data[place] ^= choice.draw(st.integers(1, 255))
    del data[choice.draw(st.integers(0, len(data)) | st.just(len(data))) :]
    path.write_bytes(data)
    try:
        write_recording(tmp_path / "study", layout, boxes, tmp_path / "out", **options(layout))
    except (ValueError, FileNotFoundError) as error:
        assert str(error).strip() and "\n" not in str(error)
        assert not list((tmp_path / "out").glob("*"))


@pytest.mark.parametrize("kind", WRITERS)
def test_the_command_writes_what_python_writes(
    kind: str, given: Recorded, boxes: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    layout, write = WRITERS[kind]
    write(tmp_path / "study", given)
    write_recording(tmp_path / "study", layout, boxes, tmp_path / "python", licence="mit", **options(layout))
    words = ["--fps", str(FPS)] if "fps" in options(layout) else ["--intrinsics", "50,50,30.5,24.5"]
    words += ["--boxes", str(boxes), "--up", "+z", "--licence", "mit", "--out", str(tmp_path / "command")]
    with pytest.raises(SystemExit) as ended:
        main(["convert-scan", "--from", layout, str(tmp_path / "study"), *words])
    assert not ended.value.code and str(tmp_path / "command/study") in capsys.readouterr().out
    files = sorted(path.relative_to(tmp_path / "python") for path in (tmp_path / "python").rglob("*.*"))
    assert len(files) > COUNT
    for file in files:
        assert (tmp_path / "command" / file).read_bytes() == (tmp_path / "python" / file).read_bytes()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--from", "tum"], "--from tum needs --boxes"),
        (["--from", "tum", "--boxes", "b.json"], "--from tum needs --up"),
        (["--from", "tum", "--labels", "a.json"], "--labels goes with data sets, not with tum"),
        (["--from", "colmap", "--every", "2"], "--every goes with data sets, not with colmap"),
        (["--from", "scannet", "--depth-unit-m", "0.1"], "--depth-unit-m goes with other layouts, not with scannet"),
        (["--from", "scannett"], "did you mean 'scannet'"),
        (["--from", "tum", "--boxes", "b.json", "--up", "+z", "--intrinsics", "1,2"], "give four numbers FX,FY,CX,CY"),
    ],
)
def test_options_that_do_not_go_together(words: list[str], message: str, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["convert-scan", "study", *words])
    assert ended.value.code and message in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("where", ["folder", "name", "scan"])
def test_scenes_that_are_tested_on_are_refused(where: str, given: Recorded, boxes: Path, tmp_path: Path) -> None:
    tested = next(iter(vsi_bench_scenes()))
    folder = tmp_path / (tested if where == "folder" else "study")
    layout_folders.open3d(folder, given)
    told = {} if where == "folder" else {where: tested}
    with pytest.raises(ValueError, match=f"not for training: {tested} is a scene of VSI-Bench's test set"):
        write_recording(folder, "open3d", boxes, tmp_path / "out", **told, **options("open3d"))
    assert not (tmp_path / "out").exists()

"""One room in every data set's layout: all readers give the same boxes, poses and footprints."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ocr_hf.cli import main
from ocr_hf.data.build_config import BuildConfig
from ocr_hf.data.build_plan import plan_scenes
from ocr_hf.data.convert_scan import SOURCES, Converted, convert_scan
from ocr_hf.data.footage import Footage
from ocr_hf.geometry.occlusion import footprints_from_instances
from ocr_hf.hub.licences import restriction
from ocr_hf.questions.exclude import vsi_bench_scenes
from ocr_hf.scenes.recorded.alignment import overlap
from ocr_hf.scenes.recorded.read_recorded import RecordedFolder, read_recorded
from tests import scan_exports as exports
from tests.scan_exports import (
    COUNT,
    LOST,
    SCENE_ID,
    SKY_TURNS,
    THINGS,
    VIDEO,
    seen,
    write_arkitscenes,
    write_dslr,
    write_phone,
    write_scannetpp,
)
from tests.scannet_files import SCAN, write_scan

Write = Callable[[Path], Path]


def phone(folder: Path, **ways: Any) -> Path:
    root = write_scannetpp(folder)
    write_phone(root, **ways)
    return root


def dslr(folder: Path, **ways: Any) -> Path:
    root = write_scannetpp(folder)
    write_dslr(root, **ways)
    return root


def scannet(folder: Path, **ways: Any) -> Path:
    return write_scan(exports.scannet_room(), folder / SCAN, **ways)


def no_maps(folder: Path) -> Path:
    root = scannet(folder)
    (root / f"{SCAN}_2d-instance-filt.zip").unlink()
    return root


VARIANTS: dict[str, tuple[str, Write]] = {
    "scannet, sens": ("scannet", scannet),
    "scannet, exported": ("scannet", partial(scannet, exported=True)),
    "scannet, not aligned": ("scannet", partial(scannet, aligned=False)),
    "scannet, maps cast from the mesh": ("scannet", no_maps),
    "iphone, lz4": ("scannetpp", phone),
    "iphone, video": ("scannetpp", partial(phone, pictures="mkv")),
    "iphone, depth as pictures": ("scannetpp", partial(phone, depth="png")),
    "iphone, deflated blocks": ("scannetpp", partial(phone, depth="deflate")),
    "iphone, deflated as a whole": ("scannetpp", partial(phone, depth="whole")),
    "iphone, no depth": ("scannetpp", partial(phone, depth="none")),
    "iphone, refocused": ("scannetpp", partial(phone, refocus=True)),
    "dslr, fisheye": ("scannetpp", dslr),
    "dslr, undistorted": ("scannetpp", partial(dslr, undistorted=True)),
    **{
        f"arkitscenes, {layout}, sky {sky}": ("arkitscenes", partial(write_arkitscenes, layout=layout, sky=sky))
        for layout in ("raw", "3dod")
        for sky in SKY_TURNS
    },
    "arkitscenes, refocused": ("arkitscenes", partial(write_arkitscenes, sky="Left", refocus=True)),
}


def converted(variant: str, folder: Path) -> tuple[Converted, RecordedFolder]:
    source, write = VARIANTS[variant]
    done = convert_scan(source, write(folder / "scans"), folder / "out")
    return done, read_recorded(done.folder)


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_reader_gives_the_same_room(variant: str, tmp_path: Path) -> None:
    done, found = converted(variant, tmp_path)
    objects = {item.id: item for item in found.scene.objects}
    for number, box in exports.boxes().items():
        corners = objects[number].box.corners()
        low, high = box.corners().min(axis=0), box.corners().max(axis=0)
        assert objects[number].label == THINGS[number][0]
        assert np.abs(corners.min(axis=0) - low).max() < 1e-6 and np.abs(corners.max(axis=0) - high).max() < 1e-6
    source = VARIANTS[variant][0]
    upright = exports.poses()
    if source == "scannet":
        upright = exports.scannet_room().poses
        assert found.dropped == {"without a pose": 1}
    elif "iphone" in variant:
        assert found.dropped == {"without a pose": 1} and found.numbers.tolist() == [0, 1, 3, 4] and LOST == 2
        assert found.times_s == pytest.approx(7000.5 + found.numbers / 60.0, abs=1e-9)
    assert np.abs(found.camera_to_world - upright[found.numbers]).max() < (1e-5 if source == "scannet" else 1e-9)
    size = (found.width, found.height)
    # What is compared with is cast for the camera that the reader tells of
    views = [seen(found.intrinsics, pose, size) for pose in found.camera_to_world]
    for picture, view in zip(found.images(range(len(views))), views, strict=True):
        wrong = np.abs(picture.astype(int) - view.picture).max(axis=-1)
        # Borders are blurred by compression and interpolation, and surfaces are not
        assert np.median(wrong) <= 3 and (wrong > 40).mean() < 0.04
    # Maps of a camera that refocuses are looked up, within half a pixel: of pictures a tenth of the real size
    exact = "refocused" not in variant
    if found.has_depth.all() and source != "scannet":  # its depth camera is another (test_convert_scan.py)
        for index, view in enumerate(views):
            depth = found.depth(index)
            true = view.depth if depth.shape == view.depth.shape else _of_size(found, index, depth)
            wrong = np.abs(depth - true)
            assert np.median(wrong) < 0.006 and (wrong < 0.03).mean() > (0.97 if exact else 0.95)
    sides = {"width": size[0] // 2 * 2, "height": size[1] // 2 * 2}
    config = BuildConfig(source="recorded", root=str(found.root), frames=len(views), **sides)
    clip, facts = Footage(found, 0.01, False).record(config, plan_scenes(config)[0].clips[0])
    assert facts["footprints"] == ("depth-tested boxes" if source == "arkitscenes" else "instance maps")
    assert not [note for note in facts["notes"] if "sit" in note or "overlap" in note]
    ids = [seen(clip.intrinsics, pose, tuple(sides.values())).ids for pose in clip.camera_to_world]
    same = overlap(clip.footprints, footprints_from_instances(np.stack(ids)))
    # Half of the table is another object's, too, which has it in maps that are cast
    things = set(THINGS) - ({exports.scannet_room().shares_with} if "cast" in variant else set())
    assert min(same.get(number, 0.0) for number in things) >= (0.99 if exact else 0.93), same
    assert found.scan in (SCAN, SCENE_ID, VIDEO) and restriction(found.scene.source)


def _of_size(found: RecordedFolder, index: int, depth: np.ndarray) -> np.ndarray:
    size = (depth.shape[1], depth.shape[0])
    camera = exports.scaled(found.intrinsics, (found.width, found.height), size)
    return seen(camera, found.camera_to_world[index], size).depth


@pytest.mark.parametrize(
    ("source", "camera", "message"),
    [
        ("scannetpp", "panocam", "camera is 'panocam'.* iphone, dslr"),
        ("scannetpp", "dslr", f"{SCENE_ID} has no folder dslr; download it"),
        ("arkitscenes", "ultrawide", "camera is 'ultrawide'.* lowres_wide"),
        ("arkitscenes", "wide", f"{VIDEO} has no pictures wide/{VIDEO}_<seconds>.png"),
        ("scannet", "iphone", "camera is iphone, which scans of scannet don't take"),
    ],
)
def test_other_cameras_are_refused(source: str, camera: str, message: str, tmp_path: Path) -> None:
    write = {"scannetpp": phone, "arkitscenes": write_arkitscenes, "scannet": lambda folder: folder}[source]
    with pytest.raises(ValueError, match=message):
        convert_scan(source, write(tmp_path / "scans"), tmp_path / "out", camera=camera)


def bench_scene(dataset: str) -> str:
    return next(name for name, other in vsi_bench_scenes().items() if other == dataset)


def test_every_data_set_is_tested_on() -> None:
    # scenezoo reads data sets of many names; tests/data/test_scenezoo.py is about it
    assert (
        set(SOURCES) - {"scenezoo"} == set(vsi_bench_scenes().values()) == {source for source, _ in VARIANTS.values()}
    )


@pytest.mark.parametrize("renamed", [False, True])
def test_scenes_that_are_tested_on_are_refused_under_any_name(renamed: bool, tmp_path: Path) -> None:
    room = write_scannetpp(tmp_path, bench_scene("scannetpp"))
    video = write_arkitscenes(tmp_path, video=bench_scene("arkitscenes"))
    if renamed:
        told = json.loads((room / "scans/segments_anno.json").read_text()) | {"sceneId": room.name}
        (room / "scans/segments_anno.json").write_text(json.dumps(told))
        room, video = room.rename(tmp_path / "my_room"), video.rename(tmp_path / "my_flat")
    for source, folder in (("scannetpp", room), ("arkitscenes", video)):
        with pytest.raises(ValueError, match=f"not for training: {bench_scene(source)} is a scene of VSI-Bench"):
            convert_scan(source, folder, tmp_path / "out")
    # What is named after another scene
    told = json.loads((room / "scans/segments_anno.json").read_text()) | {"sceneId": bench_scene("scannetpp")}
    (room / "scans/segments_anno.json").write_text(json.dumps(told))
    with pytest.raises(ValueError, match="segments_anno.json is of"):
        convert_scan("scannetpp", room.rename(tmp_path / SCENE_ID), tmp_path / "out")
    with pytest.raises(ValueError, match=f"{VIDEO} has the annotation of"):
        convert_scan("arkitscenes", video.rename(tmp_path / VIDEO), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_scene_without_a_name_is_refused(tmp_path: Path) -> None:
    folder = write_scannetpp(tmp_path).rename(tmp_path / "my_room")
    with pytest.raises(ValueError, match="my_room is no id of a scene, and segments_anno.json names none; keep the"):
        convert_scan("scannetpp", folder, tmp_path / "out")


def test_another_video_of_a_tested_place_is_refused(tmp_path: Path) -> None:
    folder = write_arkitscenes(tmp_path)
    table = tmp_path / "raw/metadata.csv"
    with pytest.raises(ValueError, match=f"{VIDEO} shows the same place as a scene of VSI-Bench's test set"):
        table.write_text(f"video_id,visit_id\n{VIDEO},7\n{bench_scene('arkitscenes')},7\n")
        convert_scan("arkitscenes", folder, tmp_path / "out")
    # Nobody knows which place it shows
    for text, message in (
        (f"video_id,visit_id\n{VIDEO},\n", f"metadata.csv has no visit_id of {VIDEO}"),
        ("a,b\n1,2\n", "metadata.csv is no table of videos .*no columns video_id and visit_id"),
        ("", "metadata.csv is no table of videos"),
    ):
        table.write_text(text)
        with pytest.raises(ValueError, match=message) as raised:
            convert_scan("arkitscenes", folder, tmp_path / "out")
        assert "\n" not in str(raised.value) and str(tmp_path) not in str(raised.value)
    table.rename(tmp_path / "elsewhere.csv")
    with pytest.raises(ValueError, match="no metadata.csv above .*--metadata"):
        convert_scan("arkitscenes", folder, tmp_path / "out")
    (tmp_path / "elsewhere.csv").write_text(f"video_id,visit_id\n{VIDEO},8\n")
    assert convert_scan("arkitscenes", folder, tmp_path / "out", metadata=tmp_path / "elsewhere.csv").objects == 5


def test_poses_go_before_what_is_told_of_the_sky(tmp_path: Path) -> None:
    done = convert_scan("arkitscenes", write_arkitscenes(tmp_path, sky="Right", told_sky="Down"), tmp_path / "out")
    assert "the sky is right in the pictures: they are turned upright" in done.notes
    assert "metadata.csv says that the sky is down; poses go before it" in done.notes
    assert "pictures without a pose within 5 ms, left out: 1" in done.notes
    assert "pictures without a .pincam, left out: 1" in done.notes
    found = read_recorded(done.folder)
    assert (found.width, found.height) == (192, 256) and len(found.files) == COUNT


def test_bad_pictures_are_left_out(tmp_path: Path) -> None:
    done = convert_scan("scannetpp", dslr(tmp_path, bad=1), tmp_path / "out", camera="dslr")
    assert done.frames == COUNT - 1 and "pictures that the data set marks is_bad, left out: 1" in done.notes


UPRIGHT = "arkitscenes, raw, sky Up"
EDITS: list[tuple[str, str, bytes | None, str]] = [
    ("iphone, lz4", "scans/segments_anno.json", None, "segments_anno.json is not there"),
    ("iphone, lz4", "scans/mesh_aligned_0.05.ply", None, "mesh_aligned_0.05.ply is not there"),
    ("iphone, lz4", "iphone/pose_intrinsic_imu.json", None, "pose_intrinsic_imu.json is not there"),
    ("iphone, lz4", "iphone/pose_intrinsic_imu.json", b"{}", "has no frame_000000"),
    ("iphone, lz4", "iphone/pose_intrinsic_imu.json", b'{"frame_000000": 1}', "frame_000000: intrinsics hold a value"),
    ("iphone, lz4", "iphone/rgb/frame_000003.jpg", None, "iphone: 'rgb/frame_000003.jpg' is not there"),
    ("iphone, lz4", "iphone/depth.bin", b"", "depth.bin is empty"),
    ("iphone, lz4", "iphone/depth.bin", b"\x05\0\0\0hello", "depth.bin begins with none of"),
    ("iphone, video", "iphone/rgb.mkv", b"no video", "iphone/rgb.mkv"),
    (
        "iphone, depth as pictures",
        "iphone/depth/frame_000003.png",
        b"no picture",
        "depth/frame_000003.png is no picture",
    ),
    ("dslr, fisheye", "dslr/colmap/images.txt", None, "dslr/colmap/images.txt is not there"),
    ("dslr, fisheye", "dslr/colmap/cameras.txt", b"1 PINHOLE 9 9 1 1 1 1", "PINHOLE isn't OPENCV_FISHEYE"),
    ("dslr, fisheye", "dslr/colmap/cameras.txt", b"1 OPENCV_FISHEYE 168 112 76 76 84 1e9 0 0 0 0", "sees nothing"),
    ("dslr, fisheye", "dslr/resized_images/DSC00002.JPG", None, "'DSC00002.JPG' is not there"),
    ("dslr, undistorted", "dslr/nerfstudio/transforms_undistorted.json", b"{}", "has no w, h, fl_x"),
    (UPRIGHT, f"{VIDEO}_3dod_annotation.json", b'{"data": []}', "has no objects"),
    (
        "arkitscenes, raw, sky Up",
        f"{VIDEO}_3dod_annotation.json",
        b'{"data": [{"label": "bed"}]}',
        "object 0 has no label",
    ),
    (UPRIGHT, f"{VIDEO}_3dod_annotation.json", None, "has no 40753679_3dod_annotation.json"),
    (UPRIGHT, "lowres_wide.traj", b"1 2 3\n", "lowres_wide.traj, line 1: 3 values"),
    (UPRIGHT, "lowres_wide.traj", b"\xff\xfe", "lowres_wide.traj is no text file"),
    (
        "arkitscenes, raw, sky Up",
        f"lowres_wide_intrinsics/{VIDEO}_3414.548.pincam",
        b"9 9 1 1 1 1",
        "is for 9x9 pictures",
    ),
    (UPRIGHT, f"lowres_wide/{VIDEO}_3414.548.png", b"no picture", "is no picture that can be read"),
]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a variant's folder, written once."""
    made: dict[str, Path] = {}

    def write(variant: str) -> Path:
        if variant not in made:
            made[variant] = VARIANTS[variant][1](tmp_path_factory.mktemp("scans"))
        return made[variant]

    return write


def copied(folder: Path, to: Path) -> Path:
    """Copy a scan with what lies above it."""
    root = next(parent for parent in folder.parents if re.fullmatch(r"scans\d+", parent.name))
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(root, to)
    return to / folder.relative_to(root)


@pytest.mark.parametrize(("variant", "file", "data", "message"), EDITS)
def test_what_is_wrong_is_told_in_one_sentence(
    variant: str, file: str, data: bytes | None, message: str, written: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = copied(written(variant), tmp_path / "copy")
    (folder / file).unlink() if data is None else (folder / file).write_bytes(data)
    with pytest.raises(ValueError, match=message) as raised:
        convert_scan(VARIANTS[variant][0], folder, tmp_path / "out")
    assert "\n" not in str(raised.value) and str(tmp_path) not in str(raised.value)
    assert not list((tmp_path / "out").glob("*"))


@pytest.mark.parametrize("variant", ["iphone, lz4", "iphone, video", "dslr, fisheye", UPRIGHT])
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(choice=st.data())
def test_damage_anywhere_is_told_or_harmless(
    variant: str, choice: st.DataObject, written: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = copied(written(variant), tmp_path / "copy")
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    path = folder / choice.draw(st.sampled_from(files))
    data = bytearray(path.read_bytes())
    if choice.draw(st.booleans()):
        del data[choice.draw(st.integers(0, len(data))) :]
    else:
        for place in choice.draw(st.lists(st.integers(0, len(data) - 1), min_size=1, max_size=20)):
            data[place] ^= choice.draw(st.integers(1, 255))
    path.write_bytes(data)
    shutil.rmtree(tmp_path / "out", ignore_errors=True)
    try:
        assert convert_scan(VARIANTS[variant][0], folder, tmp_path / "out").frames > 0
    except ValueError as error:
        assert str(error).strip() and "\n" not in str(error) and str(tmp_path) not in str(error)
        assert not list((tmp_path / "out").glob("*"))


@pytest.mark.parametrize("heading", ["ScanNet++", "ARKitScenes"])
def test_the_pages_walks_run(heading: str, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As docs/your-own-scans.md has them, but for the fixture's few and small frames."""
    page = (root / "docs/your-own-scans.md").read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2]
    commands = page.partition("```bash\n")[2].partition("```")[0].replace("--frames 16", "--frames 4")
    for words, fixtures in (("--every 30", "--every 1"), ("640 --height 480", "192 --height 144")):
        commands = commands.replace(words, fixtures)
    if heading == "ScanNet++":
        phone(tmp_path / "data")
    else:
        write_arkitscenes(tmp_path / "arkitscenes", layout="3dod", sky="Left")
    monkeypatch.chdir(tmp_path)
    for line in commands.splitlines():
        with pytest.raises(SystemExit) as ended:
            main(line.split()[1:])
        assert not ended.value.code, line
    (facts,) = map(json.loads, next(tmp_path.glob("ocr-vsi-*/scenes.jsonl")).read_text().splitlines())
    assert facts["dataset"] in SOURCES and restriction(facts["dataset"])

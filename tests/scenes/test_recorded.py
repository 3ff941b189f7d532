"""Recorded scenes: what is written comes back in our conventions, and what is wrong with a folder is told."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ocr_hf.data.recorded_scene import RecordedScene
from ocr_hf.data.video import write_mp4
from ocr_hf.geometry.boxes import OrientedBox
from ocr_hf.geometry.camera import intrinsics_from_fov, look_at
from ocr_hf.scenes.recorded.conventions import GL_TO_CV, TO_Z_UP
from ocr_hf.scenes.recorded.intake_format import CAMERA_KEYS, FRAME_KEYS
from ocr_hf.scenes.recorded.read_recorded import RecordedFolder, read_recorded
from ocr_hf.scenes.scene import SceneObject
from tests.box_scene import box_clip, ray_box

CLIP = box_clip()
LABELS = {1: "cupboard", 2: "Shelf", 3: "crate"}
TIMES = np.array([10.0, 10.5, 11.0, 11.75])
FLOOR = np.array([[-2.0, -1.0, 0.0], [2.0, -1.0, 0.0], [2.0, 5.0, 0.0], [-2.0, 5.0, 0.0]])


def recording(name: str = "room", **changes: Any) -> RecordedScene:
    """The room of boxes as it is: OpenCV, camera to world, +Z up, metres."""
    given = {
        "frames": CLIP.frames,
        "poses": CLIP.poses,
        "intrinsics": CLIP.intrinsics,
        "times_s": TIMES,
        "objects": [SceneObject(i, LABELS[i], box) for i, box in CLIP.boxes.items()],
        "depth": CLIP.depth,
        "instances": CLIP.instances,
        "rooms": [("study", FLOOR, 2.5)],
    }
    return RecordedScene(name, **{**given, **changes})


def turned(up: str = "+y", unit_m: float = 0.01, units: str = "cm") -> RecordedScene:
    """The same as an OpenGL recording of world-to-camera poses, with another axis up, another unit, whole pixels."""
    from_ours = TO_Z_UP[up].T
    poses = CLIP.poses.copy()
    poses[:, :3] = from_ours @ poses[:, :3]
    poses[:, :3, 3] /= unit_m
    objects = [
        SceneObject(
            i, LABELS[i], OrientedBox(from_ours @ box.center / unit_m, box.size / unit_m, from_ours @ box.rotation)
        )
        for i, box in CLIP.boxes.items()
    ]
    return recording(
        poses=np.linalg.inv(poses @ GL_TO_CV),
        intrinsics=CLIP.intrinsics - [[0, 0, 0.5], [0, 0, 0.5], [0, 0, 0]],
        objects=objects,
        depth=CLIP.depth / unit_m,
        # The other way round as well
        rooms=[("study", FLOOR[::-1] @ from_ours.T / unit_m, 2.5 / unit_m)],
        camera_axes="opengl",
        pose_direction="world_to_camera",
        up=up,
        units=units,
        pixel_centres="integer",
        depth_unit=0.1,
    )


@pytest.mark.parametrize("up", TO_Z_UP)
def test_two_conventions_are_one_scene(up: str, tmp_path: Path) -> None:
    plain, other = read_recorded(recording().write(tmp_path)), read_recorded(turned(up).write(tmp_path / "turned"))
    for found in (plain, other):
        assert found.scene.name == "room" and found.numbers.tolist() == [0, 1, 2, 3]
        assert [item.label for item in found.scene.objects] == ["cupboard", "shelf", "crate"]
        for item in found.scene.objects:
            true = CLIP.boxes[item.id]
            assert np.abs(item.box.corners() - true.corners()).max() < 1e-6
            assert np.abs(item.box.rotation - true.rotation).max() < 1e-9
        assert np.abs(found.camera_to_world - CLIP.poses).max() < 1e-9
        assert np.abs(found.intrinsics - CLIP.intrinsics).max() < 1e-9
        assert np.allclose(found.times_s, TIMES)
        (room,) = found.scene.rooms
        x, y = room.polygon.T
        assert (x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2 == pytest.approx(24.0)
        assert (room.height_m, room.floor_z) == (pytest.approx(2.5), pytest.approx(0.0))
        assert np.array_equal(np.stack(list(found.images(range(4)))), CLIP.frames)
        for index in range(4):
            assert np.array_equal(found.instances(index), CLIP.instances[index])
            assert np.abs(found.depth(index) - CLIP.depth[index]).max() < 0.00051


def test_the_world_is_turned_and_never_mirrored() -> None:
    for name, rotation in TO_Z_UP.items():
        axis = np.zeros(3)
        axis["xyz".index(name[1])] = 1.0 if name[0] == "+" else -1.0
        assert np.array_equal(rotation @ axis, [0.0, 0.0, 1.0]) and np.linalg.det(rotation) == pytest.approx(1.0)


def test_lost_poses_are_dropped_and_counted(tmp_path: Path) -> None:
    folder = recording().write(tmp_path)
    told = json.loads((folder / "cameras.json").read_text())
    told["frames"][0]["pose"] = None
    told["frames"][2]["pose"] = [[float("-inf")] * 4] * 4
    (folder / "cameras.json").write_text(json.dumps(told))
    found = read_recorded(folder)
    assert found.numbers.tolist() == [1, 3] and found.dropped == {"without a pose": 1, "with a lost pose": 1}
    assert np.array_equal(next(found.images([1])), CLIP.frames[3])
    lost = CLIP.poses.copy()
    lost[1] = -np.inf
    assert read_recorded(recording(poses=lost).write(tmp_path / "lost")).dropped == {"without a pose": 1}


def test_maps_may_have_another_size_and_be_missing(tmp_path: Path) -> None:
    depth = [CLIP.depth[0][::2, ::2], None, CLIP.depth[2][::2, ::2], CLIP.depth[3]]
    found = read_recorded(recording(depth=iter(depth), frames=iter(CLIP.frames), instances=None).write(tmp_path))
    assert found.has_depth.tolist() == [True, False, True, True] and not found.has_instances.any()
    assert found.depth(0).shape == (42, 56) and found.depth(1) is None


def test_frames_may_lie_in_a_video_whose_clock_holds(tmp_path: Path) -> None:
    folder = recording().write(tmp_path)
    write_mp4(folder / "clip.mp4", [np.full_like(CLIP.frames[0], 60 * i) for i in range(4)], 4.0)
    told = json.loads((folder / "cameras.json").read_text())
    told["video"] = "clip.mp4"
    told["frames"] = [{"video_frame": i, "pose": told["frames"][i]["pose"]} for i in (0, 2, 3)]
    (folder / "cameras.json").write_text(json.dumps(told))
    found = read_recorded(folder)
    assert found.times_s.tolist() == [0.0, 0.5, 0.75]
    assert [round(float(image.mean()) / 60) for image in found.images([2, 0])] == [3, 0]
    told["frames"][2]["video_frame"] = 4
    (folder / "cameras.json").write_text(json.dumps(told))
    with pytest.raises(
        ValueError, match="room/cameras.json: video_frame is 4, but clip.mp4 has 4 frames; check the file"
    ):
        read_recorded(folder)


def changed(folder: Path, file: str, change: Callable[[Any], None]) -> None:
    told = json.loads((folder / file).read_text())
    change(told)
    (folder / file).write_text(json.dumps(told))


CAMERAS = [
    (lambda t: t.update(camera_axis="opencv"), r"cameras.json: a key is 'camera_axis'; did you mean 'camera_axes'\?"),
    (lambda t: t.pop("up"), r"has no 'up'; give \+x or -x or \+y or -y or \+z or -z: the world's axis"),
    (lambda t: t.update(up="y"), 'up is "y"; give '),
    (lambda t: t.update(units=None), "units is null; give m or cm or mm or in or ft"),
    (lambda t: t.update(version=2), "has version 2, this ocr-hf reads 1; upgrade it"),
    (lambda t: t.update(intrinsics=[["1"] * 3] * 3), r"intrinsics is .*; give 3 x 3 numbers"),
    (lambda t: t["intrinsics"][0].__setitem__(0, -1), "focal lengths must be positive"),
    (lambda t: t["intrinsics"][0].__setitem__(2, 900), "principal point .* is outside the 112x84 images"),
    (lambda t: t.update(width=640), r"room/frames/000000.png is 112x84, but cameras.json declares 640x84; give all"),
    (lambda t: t.update(depth_unit_m=None), "has depth maps but no depth_unit_m"),
    (lambda t: t.update(depth_unit_m=-1), "depth_unit_m is -1; give a number above 0 or null"),
    (lambda t: t.update(frames=[]), "no frame can be used .it has no frames."),
    (lambda t: t["frames"][1].pop("image"), "frame 1 has neither image and video_frame; give one of them"),
    (lambda t: t["frames"][1].pop("pose"), "frame 1 has no 'pose'; give 4 x 4 numbers or null: null, or not finite"),
    (lambda t: t["frames"][1].update(time_s=10), "frame 1 is at 10 s, the one before it at 10 s; sort frames by time"),
    (lambda t: t["frames"][1].update(time_s=None), "frame 1 has no time_s"),
    (lambda t: t["frames"][1]["pose"][0].__setitem__(0, 7), "frame 1: its pose can't be used .*rigid motion"),
    (lambda t: t["frames"][1].update(image="../cameras.json"), "frame 1: '../cameras.json' leads out of the sce"),
    (lambda t: t["frames"][1].update(image="/etc/hostname"), "frame 1: '/etc/hostname' leads out of the sce"),
    (lambda t: t["frames"][1].update(depth="c:\\x.png"), "leads out of the scene's folder"),
    (lambda t: t["frames"][1].update(depth="depth/9.png"), "frame 1: 'depth/9.png' is not there; copy the file"),
    (lambda t: t["frames"][1].update(image="boxes.json"), "room/boxes.json is no picture that can be read"),
    (lambda t: t.update(camera_axes="opengl"), "none of its 3 boxes is in view in any of 4 frames .*check camera_axes"),
    (lambda t: t.update(poses="world_to_camera"), "room: none of its 3 boxes is in view|hang upside down"),
]  # fmt: skip
BOXES = [
    (lambda t: t["objects"][1].update(id=1), "object 1: id 1 is used more than once"),
    (lambda t: t["objects"][1].update(id=70000), "object 1: id is 70000; ids run from 1 to 65535"),
    (lambda t: t["objects"][1].update(id=True), "object 1: id is true; give a whole number"),
    (lambda t: t["objects"][1].pop("size"), "object 1 .'Shelf'. has half a box; give center and size, or neither"),
    (lambda t: t["objects"][1].update(rotation=[[0, 1, 0], [1, 0, 0], [0, 0, 1]]), "right-handed orthonormal"),
    (lambda t: t["objects"][1].update(size=[1, -1, 1]), "box size is .*-1"),
    (lambda t: t.update(objects=[{"id": 1, "label": None}]), "has no object with a label"),
    (lambda t: [item["center"].__setitem__(1, -9.0) for item in t["objects"]], "none of its 3 boxes is in view"),
    (lambda t: t["rooms"][0].update(floor=[[0, 0, 0], [1, 0, 0], [2, 0, 0]]), "room 0 .'study'. has no area"),
    (
        lambda t: [i.update(label="sofa", size=[v * 100 for v in i["size"]]) for i in t["objects"]],
        "room: sofa 100 m; in .*; correct `units` in cameras.json",
    ),
]  # fmt: skip


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recording().write(tmp_path_factory.mktemp("written"))


@pytest.mark.parametrize(
    ("file", "change", "message"), [("cameras.json", *row) for row in CAMERAS] + [("boxes.json", *row) for row in BOXES]
)
def test_mistakes_are_told_in_one_sentence(file: str, change: Any, message: str, written: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(written, tmp_path / "room"))
    changed(folder, file, change)
    with pytest.raises(ValueError, match=message) as told:
        read_recorded(folder)
    assert str(tmp_path) not in str(told.value) and "\n" not in str(told.value)


@pytest.mark.parametrize("text", [b"{", b"\xff\xfe", b"[1]", b"[" * 100000])
def test_files_that_are_no_json(text: bytes, written: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(written, tmp_path / "room"))
    (folder / "boxes.json").write_bytes(text)
    with pytest.raises(ValueError, match="room/boxes.json"):
        read_recorded(folder)


def test_a_link_out_of_the_folder_is_refused(written: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(written, tmp_path / "room"))
    (folder / "frames/000001.png").unlink()
    (folder / "frames/000001.png").symlink_to(written / "frames/000001.png")
    with pytest.raises(ValueError, match="frame 1: 'frames/000001.png' is a link out of the scene's folder"):
        read_recorded(folder)


@pytest.mark.parametrize("kind", ["frames", "depth", "instances"])
@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_damaged_pictures_are_named(kind: str, damage: str, written: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(written, tmp_path / "room"))
    file = folder / kind / "000001.png"
    data = bytearray(file.read_bytes())
    file.write_bytes(data[: len(data) // 2] if damage == "cut" else bytes([*data[:80], *(b ^ 255 for b in data[80:])]))
    found = read_recorded(folder)
    with pytest.raises(ValueError, match=f"room/{kind}/000001.png is damaged .*; write it again"):
        list(found.images([1])), found.depth(1), found.instances(1)


def test_pictures_of_another_kind_are_refused(written: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(written, tmp_path / "room"))
    shutil.copy(folder / "frames/000001.png", folder / "depth/000001.png")
    shutil.copy(folder / "frames/000001.png", folder / "instances/000001.png")
    shutil.copy(folder / "depth/000002.png", folder / "frames/000002.png")
    found = read_recorded(folder)
    with pytest.raises(ValueError, match="depth/000001.png is PNG of mode RGB; give depth as a grey 16-bit PNG"):
        found.depth(1)
    with pytest.raises(ValueError, match="instances/000001.png is PNG of mode RGB; give ids as a grey 8- or 16-bit"):
        found.instances(1)
    with pytest.raises(ValueError, match="frames/000002.png has mode I;16; give 8-bit RGB"):
        list(found.images([2]))


def test_ids_that_boxes_lack_are_refused_and_structure_is_background(tmp_path: Path) -> None:
    ids = CLIP.instances.copy()
    ids[:, :5, :5] = 9
    found = read_recorded(recording(instances=ids, structure_ids=[9]).write(tmp_path))
    assert found.instances(0)[:5, :5].max() == 0
    found = read_recorded(recording("other", instances=ids).write(tmp_path))
    with pytest.raises(
        ValueError, match="other/instances/000000.png shows id 9, which boxes.json doesn't have; add the"
    ):
        found.instances(0)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"name": "a/b"}, ValueError, "name is 'a/b'; give a folder's name"),
        ({"times_s": TIMES[:3]}, ValueError, "has no times_s for frame 3; give one for each frame"),
        ({"frames": CLIP.frames.astype(float)}, ValueError, "frame 0 is float64 .* give .H, W, 3. uint8 RGB"),
        ({"depth": CLIP.depth * 100}, ValueError, "depth runs from .*; give a larger depth_unit"),
        ({"instances": CLIP.depth}, ValueError, "instance ids are float32"),
        ({"up": "-z"}, ValueError, "room: (none of its|its cameras hang upside down)"),
        ({"camera_axes": "gl"}, ValueError, 'camera_axes is "gl"; give opencv or opengl'),
    ],
)
def test_the_writer_leaves_nothing_half_written(changes: dict, error: type, message: str, tmp_path: Path) -> None:
    with pytest.raises(error, match=message):
        recording(**changes).write(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_objects_without_boxes_get_those_of_what_was_seen(tmp_path: Path) -> None:
    """Seen from all around, a box is fitted to within the pixels' size; of one that is never seen there is none."""
    boxes = {1: OrientedBox.upright(np.array([0.0, 0.0, 0.5]), np.array([1.0, 0.6, 1.0]), 0.4)}
    camera = intrinsics_from_fov(224, 168, 70.0)
    poses = [look_at(np.array([3 * np.cos(a), 3 * np.sin(a), 1.8]), boxes[1].center) for a in np.arange(8) * np.pi / 4]
    seen = [ray_box(boxes[1], pose, camera, 168, 224) for pose in poses]
    depth = np.stack([np.where(hit, metres, 0.0) for hit, metres in seen])
    ids = np.stack([hit for hit, _ in seen]).astype(np.uint16)
    given = {
        "depth": depth[:, ::2, ::2],
        "instances": ids,
        "intrinsics": camera,
        "poses": np.stack(poses),
        "objects": [],
    }
    changes = {**given, "frames": np.zeros((8, 168, 224, 3), dtype=np.uint8), "times_s": np.arange(8.0)}
    found = read_recorded(recording(**changes, labels={1: "Sofa", 2: "lamp"}).write(tmp_path))
    (item,) = found.scene.objects
    # A pixel of 2 x 2 depths is 3 cm wide at 3 m; the outermost of a mask aren't used
    assert item.label == "sofa" and np.allclose(item.box.size, boxes[1].size, atol=0.08)
    assert np.allclose(item.box.center, boxes[1].center, atol=0.04)
    assert "fitted to masks and depth: 1; sides" in found.notes[0] and "hardly seen, and left out: 1" in found.notes[1]
    assert found.instances(0).max() == 1
    with pytest.raises(
        ValueError, match="object 1 .'sofa'. has no box, and no frame has both depth and an instance map"
    ):
        recording(**{**changes, "depth": None}, name="b", labels={1: "sofa"}).write(tmp_path)


def test_the_writer_overwrites_nothing(tmp_path: Path) -> None:
    folder = recording().write(tmp_path)
    before = (folder / "cameras.json").read_bytes()
    with pytest.raises(FileExistsError, match="room exists; remove it, or give another name"):
        recording().write(tmp_path)
    assert (folder / "cameras.json").read_bytes() == before and [item.name for item in tmp_path.iterdir()] == ["room"]


def test_every_key_is_written(written: Path) -> None:
    """A key that the writer never writes would be read by nobody's test."""
    told = json.loads((written / "cameras.json").read_text())
    assert set(told) | {"video"} == set(CAMERA_KEYS)
    assert set(told["frames"][0]) | {"video_frame", "intrinsics"} == set(FRAME_KEYS)
    assert isinstance(read_recorded(written), RecordedFolder)

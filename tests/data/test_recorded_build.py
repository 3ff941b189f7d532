"""Builds of recorded scenes: one room, rendered and recorded in two conventions, asks what the rendered one does."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from ocr_hf.cli import main
from ocr_hf.data.assemble import NothingBuilt
from ocr_hf.data.build_config import BuildConfig
from ocr_hf.data.build_folder import build_folder
from ocr_hf.data.build_plan import plan_scenes
from ocr_hf.data.clip_cameras import CameraPath, camera_path
from ocr_hf.data.footage import Cut, Footage
from ocr_hf.data.load import load
from ocr_hf.data.make_clips import clip_questions
from ocr_hf.data.recorded_scene import RecordedScene
from ocr_hf.data.recording import Recording, record
from ocr_hf.geometry.boxes import OrientedBox
from ocr_hf.geometry.camera import NEAR_M, project
from ocr_hf.hub.licences import restriction
from ocr_hf.scenes.homes.procedural import procedural_scene
from ocr_hf.scenes.recorded.alignment import overlap
from ocr_hf.scenes.recorded.conventions import GL_TO_CV, TO_Z_UP
from ocr_hf.scenes.recorded.read_recorded import read_recorded
from ocr_hf.scenes.render.renderer import Rendered, Renderer
from ocr_hf.scenes.scene import Scene, SceneObject
from tests.data.conftest import digests

FRAMES, WIDTH, HEIGHT = 8, 160, 120
RENDERED = BuildConfig(
    rooms=1, scenes=1, frames=FRAMES, seconds=12.0, width=WIDTH, height=HEIGHT, fov=90.0, seed=3, mode="geometry"
)
FROM_WORLD = TO_Z_UP["+y"].T


@dataclass(frozen=True)
class Room:
    """A procedural room, and what a camera saw of it, as a build of `RENDERED` films it."""

    scene: Scene
    path: CameraPath
    rendered: Rendered
    recording: Recording


@pytest.fixture(scope="module")
def room() -> Room:
    (plan,) = plan_scenes(RENDERED)
    scene = procedural_scene(plan.seed, rooms=1)
    path = camera_path(RENDERED, plan.clips[0], scene)
    renderer = Renderer(scene, light_rays=8)
    recording = record(renderer, path, RENDERED)
    rendered = renderer.render(path.camera_to_world, path.intrinsics, WIDTH, HEIGHT, path.exposure)
    assert np.array_equal(rendered.frames, recording.frames)
    return Room(scene, path, rendered, recording)


def recorded(room: Room, gl: bool = False, **changes: Any) -> RecordedScene:
    """The room as a recording: CV, camera to world, +Z up, or GL, world to camera, +Y up."""
    turn = FROM_WORLD if gl else np.eye(3)
    poses = room.path.camera_to_world.copy()
    poses[:, :3] = turn @ poses[:, :3]
    boxes = {
        item.id: OrientedBox(turn @ item.box.center, item.box.size, turn @ item.box.rotation)
        for item in room.scene.objects
    }
    floors = [
        (each.name, np.column_stack([each.polygon, np.full(len(each.polygon), each.floor_z)]) @ turn.T, each.height_m)
        for each in room.scene.rooms
    ]
    given = {
        "frames": room.rendered.frames,
        "poses": np.linalg.inv(poses @ GL_TO_CV) if gl else poses,
        "intrinsics": room.path.intrinsics,
        "times_s": 100.0 + np.arange(FRAMES) / room.path.fps,
        "objects": [SceneObject(item.id, item.label, boxes[item.id]) for item in room.scene.objects],
        "depth": room.rendered.depth,
        "instances": room.rendered.instances,
        "rooms": floors,
        "floor_area_m2": room.scene.floor_area_m2,
        "licence": "apache-2.0",
        **({"camera_axes": "opengl", "pose_direction": "world_to_camera", "up": "+y"} if gl else {}),
    }
    return RecordedScene(room.scene.name, **{**given, **changes})


def config(folder: Path, **changes: Any) -> BuildConfig:
    given = {"source": "recorded", "root": str(folder), "frames": FRAMES, "width": WIDTH, "height": HEIGHT, "seed": 3}
    return BuildConfig(**{**given, "mode": "geometry", **changes})


@pytest.mark.parametrize("gl", [False, True])
def test_boxes_poses_and_footprints_come_back(gl: bool, room: Room, tmp_path: Path) -> None:
    found = read_recorded(recorded(room, gl).write(tmp_path))
    assert {item.id for item in found.scene.objects} == {item.id for item in room.scene.objects}
    for item in found.scene.objects:
        true = room.scene.object(item.id)
        assert item.label == true.label and np.abs(item.box.corners() - true.box.corners()).max() < 1e-6
    assert np.abs(found.camera_to_world - room.path.camera_to_world).max() < 1e-9
    build = config(tmp_path)
    clip, facts = Footage(found, 0.01, False).record(build, plan_scenes(build)[0].clips[0])
    assert facts["footprints"] == "instance maps" and facts["notes"] == [] and facts["mask_box_iou"] > 0.5
    assert max(map(abs, facts.get("picture_shift_px", [0.0]))) < 1.0
    same = overlap(clip.footprints, room.recording.footprints)
    assert len(same) > 5 and min(same.values()) >= 0.99
    assert np.array_equal(clip.frames, room.recording.frames) and clip.fps == pytest.approx(room.path.fps)
    assert np.abs(clip.depth - room.recording.depth).max() < 6e-4


@pytest.mark.parametrize("gl", [False, True])
def test_a_build_asks_what_the_rendered_room_asks(gl: bool, room: Room, tmp_path: Path) -> None:
    """To the letter: all types, with the floor plan; only what an alteration uncovers isn't known."""
    recorded(room, gl).write(tmp_path / "rooms")
    manifest = build_folder(config(tmp_path / "rooms"), tmp_path / "out")
    (plan,) = plan_scenes(RENDERED)
    asked = clip_questions(RENDERED, plan.clips[0], room.scene, room.recording).questions
    rows = load(tmp_path / "out", split="train")
    columns = ("question_type", "question", "options", "ground_truth", "reasoning")
    wanted = [
        tuple(list(value) if isinstance(value := getattr(each, name), tuple) else value for name in columns)
        for each in asked
    ]
    found = [tuple(row[name] for name in columns) for row in rows]
    assert len(wanted) > 80 and len({row[0] for row in wanted}) == 10
    assert found == wanted
    assert rows[0]["dataset"] == "recorded" and rows[0]["noisy_objects"] and rows[0]["mode"] == "geometry"
    measured = manifest["statistics"]["measured"]
    # What objects leave is filled from around: nothing is rendered again
    assert 0.0 < measured["filled_share"]["mean"] < 0.5
    (line,) = map(json.loads, (tmp_path / "out/scenes.jsonl").read_text().splitlines())
    facts = line["recorded"][line["clips"][0]]
    assert (
        facts["frame_numbers"] == list(range(FRAMES))
        and facts["times_s"][0] == 100.0
        and line["licence"] == "apache-2.0"
    )
    card = (tmp_path / "out/README.md").read_text()
    assert "Videos of recorded scenes" in card and "rendered by ray casting" not in card and "synthetic" not in card
    assert "Footprints, by clips: 1 from instance maps;" in card


def test_a_build_gives_the_same_bytes_again_and_tells_no_path(room: Room, tmp_path: Path) -> None:
    recorded(room).write(tmp_path / "rooms")
    options = {"mode": "gaussian", "clips_per_scene": 2, "frames": 3}
    for name in ("one", "two"):
        build_folder(config(tmp_path / "rooms", **options), tmp_path / name)
    assert digests(tmp_path / "one") == digests(tmp_path / "two")
    text = (tmp_path / "one/ocr_vsi.json").read_text() + (tmp_path / "one/README.md").read_text()
    assert str(tmp_path) not in text and '"root": "rooms"' in text
    facts = json.loads((tmp_path / "one/scenes.jsonl").read_text())["recorded"]
    assert [fact["frame_numbers"] for fact in facts.values()] == [[0, 1, 3], [4, 5, 7]]


def test_footprints_are_the_best_that_there_are(room: Room, tmp_path: Path) -> None:
    half = [ids if number % 2 else None for number, ids in enumerate(room.rendered.instances)]
    found = read_recorded(recorded(room, instances=half).write(tmp_path))
    (plan,) = plan_scenes(config(tmp_path))

    def clip_of(outlines: bool = False, **options: Any) -> tuple[Recording, dict[str, Any]]:
        return Footage(found, 0.01, outlines).record(config(tmp_path, **options), plan.clips[0])

    # Frames with the better evidence are enough for three, not for eight
    assert clip_of(frames=3)[1]["frame_numbers"] == [1, 3, 7]
    clip, facts = clip_of()
    assert facts["footprints"] == "depth-tested boxes" and not clip.footprints.amodal
    found = replace(found, files=tuple(replace(each, depth=None, instances=None) for each in found.files))
    with pytest.raises(ValueError, match="of its 8 frames 0 have an instance map and 0 depth, .* outlines=true"):
        clip_of()
    clip, facts = clip_of(outlines=True)
    assert facts["footprints"] == "box outlines" and clip.footprints.amodal and clip.depth is None
    with pytest.raises(ValueError, match="has 8 usable frames for a clip, and frames is 9; use fewer --frames"):
        clip_of(frames=9)


def test_outlines_are_asked_about_only_where_the_user_says_so(room: Room, tmp_path: Path) -> None:
    recorded(room, instances=None, depth=None).write(tmp_path / "rooms")
    with pytest.raises(NothingBuilt, match="take box outlines for what is seen with --source-options outlines=true"):
        build_folder(config(tmp_path / "rooms"), tmp_path / "no")
    build = config(tmp_path / "rooms", source_options="outlines=true")
    manifest = build_folder(build, tmp_path / "out")
    assert manifest["statistics"]["recorded"]["footprints"] == {"box outlines": 1}
    assert manifest["statistics"]["splits"]["train"]["rows"] > 5


def test_scenes_that_can_not_be_used_are_skipped_and_listed(room: Room, tmp_path: Path) -> None:
    root = tmp_path / "rooms"
    good = recorded(room).write(root)
    for name in ("broken", "cut", "scene0251_00", "hidden_scan"):
        shutil.copytree(good, root / name)
    (root / "broken/cameras.json").unlink()
    picture = root / "cut/frames/000003.png"
    picture.write_bytes(picture.read_bytes()[:2000])
    cameras = json.loads((root / "hidden_scan/cameras.json").read_text())
    (root / "hidden_scan/cameras.json").write_text(json.dumps({**cameras, "scan": "scene0251_01"}))
    (root / "notes").mkdir()
    manifest = build_folder(config(root, mode="gaussian"), tmp_path / "out")
    assert manifest["statistics"]["splits"]["train"]["scenes"] == 1 and manifest["config"]["scenes"] == 5
    reasons = "\n".join(manifest["statistics"]["skipped_clips"])
    for reason in (
        "the scene can't be made: broken/cameras.json is not there",
        "the recording can't be used: cut/frames/000003.png is damaged",
        "not for training: scene0251_00 is a scene of VSI-Bench's test set",
        "not for training: scene0251_01 shows the same room as a scene of VSI-Bench's test set",
    ):
        assert reason in reasons
    assert str(tmp_path) not in reasons


def test_frames_are_cut_to_the_clips_shape() -> None:
    """A point of the world lies on the same thing in the picture and in the clip, whichever way it is cut."""
    intrinsics = np.array([[300.0, 0.0, 318.0], [0.0, 310.0, 243.0], [0.0, 0.0, 1.0]])
    columns, rows = np.meshgrid(np.arange(640), np.arange(480))
    picture = np.stack([columns // 4, rows // 4, np.zeros_like(rows)], axis=-1).astype(np.uint8)
    for to_width, to_height in ((320, 240), (640, 480), (320, 120), (100, 200), (800, 600)):
        cut = Cut.of(640, 480, to_width, to_height)
        assert cut.width / cut.height == pytest.approx(to_width / to_height, rel=0.01)
        point = np.array([0.05, -0.1, 2.0])
        for matrix, shown in ((intrinsics, picture), (cut.intrinsics(intrinsics), cut.picture(picture))):
            (u, v), z = project(point, matrix, np.eye(4))
            assert z > NEAR_M
            # 4 pixels a level, and the size of a pixel of the clip
            colour = shown[int(v), int(u)].astype(float) * 4 + 2
            assert colour[:2] == pytest.approx([318.0 + 7.5, 243.0 - 15.5], abs=3.0 + 640 / to_width)
        assert np.abs(cut.map(picture, 640, 480).astype(int) - cut.picture(picture)).max() <= 2
        assert np.abs(cut.map(picture[::2, ::2], 640, 480).astype(int) - cut.picture(picture)).max() <= 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"root": None}, "source recorded needs a folder; give --root FOLDER"),
        ({"root": "/nowhere"}, "root is /nowhere, which is no folder"),
        ({"fov": 70.0}, "--fov is 70.0, which needs a scene that can be rendered; .* leave it out"),
        ({"twins": 1}, "--twins is 1, which needs a scene that can be rendered"),
        ({"seconds": 4.0}, "--seconds is 4.0"),
        ({"source": "procedural"}, "--root goes with source recorded, not with procedural"),
        ({"source_options": {"margin_m": -1.0}}, "margin_m is -1.0; give 0 to 1 metres"),
        ({"source_options": {"outline": True}}, "did you mean 'outlines'"),
    ],
)
def test_mistakes_are_told_in_one_sentence(options: dict, message: str, tmp_path: Path) -> None:
    (tmp_path / "room").mkdir()
    (tmp_path / "room/boxes.json").write_text("{}")
    with pytest.raises(ValueError, match=message):
        config(tmp_path, **options)


def test_an_empty_folder_is_no_source(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no folder in it has cameras.json"):
        config(tmp_path)


def test_the_command_tells_where_footprints_come_from(
    room: Room, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    poses = room.path.camera_to_world.copy()
    poses[2] = np.nan
    folder = recorded(room, poses=poses).write(tmp_path)
    words = f"build --source recorded --root {folder} --frames 7 --width 160 --height 120 --out {tmp_path / 'out'}"
    with pytest.raises(SystemExit) as ended:
        main(words.split())
    told = capsys.readouterr().out
    assert not ended.value.code and "footprints of 1 clips: instance maps" in told
    assert "frames without a pose, left out: 1" in told
    table = pq.read_table(tmp_path / "out/train/metadata.parquet", partitioning=None)
    assert len(table["camera_to_world"][0]) == 7


def test_a_folder_is_checked_without_a_build(room: Room, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    def check(*words: object) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            main(["check-scene", *map(str, words)])
        return ended.value.code or 0, capsys.readouterr().out

    folder = recorded(room, depth=[*room.rendered.depth[:3], *[None] * 5]).write(tmp_path)
    status, out = check(folder)
    assert status == 0 and "8 of 160x120 over 10.5 s" in out and "8 instance maps, 3 depth maps" in out
    assert out.endswith("can be used\n") and "warning" not in out
    moved = recorded(room, frames=np.roll(room.rendered.frames, (2, -4), axis=(1, 2))).write(tmp_path / "moved")
    status, out = check(moved, "--json")
    told = json.loads(out)
    assert status == 0 and told["fine"] and told["picture_shift_px"] == pytest.approx([-4, 2], abs=0.4)
    assert "its pictures sit" in told["findings"][0]["seen"]
    (folder / "instances/000002.png").write_bytes(b"")
    status, out = check(folder)
    assert status == 1 and f"refused: {room.scene.name}/instances/000002.png is no picture that can be read" in out
    assert check(folder, "--up", "y")[0] == 1


def test_restricted_scans_keep_their_name(room: Room, tmp_path: Path) -> None:
    """The pushed columns `dataset` and `scene_name` are what the licence check reads."""
    found = read_recorded(recorded(room, dataset="scannet").write(tmp_path))
    assert restriction(found.scene.source, found.scene.name) == "the ScanNet Terms of Use allow no redistribution"

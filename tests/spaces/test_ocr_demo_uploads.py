"""A visitor's files: what is taken, and what is refused before it costs anything."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tests.box_scene import box_clip
from tests.spaces.ocr_demo_rooms import TINY, boxes_demo

from room_demo import uploads  # noqa: E402  isort: skip
from room_demo.problems import Problem, sentence_for  # noqa: E402  isort: skip

from ocr_hf.data.video import write_mp4


@pytest.fixture(scope="module")
def rooms(tmp_path_factory: pytest.TempPathFactory):
    return boxes_demo(tmp_path_factory.mktemp("demo")).rooms


def clip_files(folder: Path, change=None) -> tuple[str, str]:
    """Write an MP4 and its JSON, changed by `change`, and return their paths."""
    made = box_clip(num_frames=6, height=72, width=96)
    write_mp4(folder / "clip.mp4", made.frames, 3.0)
    told = {
        "intrinsics": made.intrinsics.tolist(),
        "camera_to_world": made.poses.tolist(),
        "objects": [
            {"label": label, **{name: getattr(box, name).tolist() for name in ("center", "size", "rotation")}}
            for label, box in zip(("Sofa", "chair", "<b>chair</b>"), made.boxes.values(), strict=True)
        ],
    }
    if change:
        change(told)
    (folder / "cameras.json").write_text(json.dumps(told))
    return str(folder / "clip.mp4"), str(folder / "cameras.json")


def glb(header: dict, binary: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 4)
    body = struct.pack("<II", len(text), 0x4E4F534A) + text
    if binary:
        binary += b"\0" * (-len(binary) % 4)
        body += struct.pack("<II", len(binary), 0x004E4942) + binary
    return struct.pack("<4sII", b"glTF", 2, 12 + len(body)) + body


def refused(error: pytest.ExceptionInfo, folder: Path) -> str:
    """Return what the visitor is told; assert that it is one sentence without our folders."""
    told = sentence_for(error.value)
    assert "\n" not in told and str(folder) not in told and "/tmp" not in told and len(told) < 400
    return told


def test_a_clip_with_cameras_and_boxes_becomes_a_room(rooms, tmp_path) -> None:
    made = box_clip(num_frames=6, height=72, width=96)
    clip = uploads.add_clip(rooms, *clip_files(tmp_path))
    assert clip.frames.shape == (6, 72, 96, 3) and clip.fps == pytest.approx(3.0)
    assert dict(clip.labels) == {1: "sofa", 2: "chair", 3: "bchairb"}
    assert clip.footprints.amodal
    for object_id in (1, 2, 3):  # a projected box covers at least what shows of the object
        assert clip.footprints.region([object_id])[made.instances == object_id].mean() > 0.97
    assert {question.question_type for question in clip.questions} >= {"object_size_estimation"}
    again = uploads.add_clip(rooms, *clip_files(tmp_path))
    assert again.id == clip.id and clip.id in rooms.find(clip.id)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: t["camera_to_world"][2][0].__setitem__(0, float("nan")), "not finite"),
        (lambda t: t["camera_to_world"][2][0].__setitem__(0, 5.0), "not a rigid motion"),
        (lambda t: t["camera_to_world"].pop(), "6 frames and the JSON 5 poses"),
        (lambda t: t.pop("camera_to_world"), "'camera_to_world' is missing"),
        (lambda t: t.__setitem__("camera_to_world", [["x"]]), "no matrix"),
        (lambda t: t.__setitem__("intrinsics", [[0, 0, 0]] * 3), "singular"),
        (lambda t: t["objects"].clear(), "'objects' must be"),
        (lambda t: t.__setitem__("objects", t["objects"] * 200), "'objects' must be"),
        (lambda t: t["objects"][0].__setitem__("size", [1, 1, float("inf")]), "finite"),
        (lambda t: t["objects"][0].__setitem__("size", [1, 1, -1]), "extents"),
        (lambda t: t["objects"][0].__setitem__("size", [1000, 900, 700]), "in metres"),
        (lambda t: t["objects"][0].__setitem__("label", "   "), "no label"),
        (lambda t: t["objects"][0].pop("center"), "'center' is missing"),
        (lambda t: t["objects"].__setitem__(0, 3), "no JSON object"),
        (lambda t: [o.__setitem__("center", [0, -9, 0]) for o in t["objects"]], "No box projects"),
        (lambda t: t["objects"][0].__setitem__("size", [1e-300] * 3), "in metres"),
        (lambda t: t["objects"][0].__setitem__("center", [1e308, 0, 0]), "from the origin"),
        (lambda t: t["camera_to_world"][0][0].__setitem__(3, 1e30), "more than 1000 m"),
        (lambda t: t.__setitem__("intrinsics", [[1e30, 0, 48], [0, 1e30, 36], [0, 0, 1]]), "focal length is 1e+30"),
    ],
)
def test_wrong_cameras_and_boxes_are_told(rooms, tmp_path, change, says) -> None:
    with pytest.raises(ValueError) as error:
        uploads.add_clip(rooms, *clip_files(tmp_path, change))
    assert says in refused(error, tmp_path)


def wrong_videos(folder: Path) -> dict[str, tuple[bytes, str]]:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("clip.txt", "x" * 1000)
    frames = np.zeros((2, 64, 64, 3), dtype=np.uint8)
    write_mp4(folder / "hours.mp4", frames, 0.0005)
    write_mp4(folder / "one.mp4", frames[:1], 1.0)
    write_mp4(folder / "good.mp4", frames, 1.0)
    good = (folder / "good.mp4").read_bytes()
    return {
        "a zip": (archive.getvalue(), "no MP4 inside"),
        "nothing": (b"", "not 0"),
        "hours": ((folder / "hours.mp4").read_bytes(), "are allowed, cut it"),
        "one frame": ((folder / "one.mp4").read_bytes(), "too short"),
        "rubbish with the right start": (good[:8] + b"\xff" * 4000, "can't be read"),
        "cut off": (good[: len(good) // 3], "can't be read"),
    }


@pytest.mark.parametrize("kind", ["a zip", "nothing", "hours", "one frame", "rubbish with the right start", "cut off"])
def test_wrong_videos_are_told(rooms, tmp_path, kind) -> None:
    _, cameras = clip_files(tmp_path)
    content, says = wrong_videos(tmp_path)[kind]
    (tmp_path / "film.mp4").write_bytes(content)
    with pytest.raises(ValueError) as error:
        uploads.add_clip(rooms, str(tmp_path / "film.mp4"), cameras)
    assert says in refused(error, tmp_path)


def test_a_video_with_too_many_pixels_is_told(rooms, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(uploads, "MAX_VIDEO_PIXELS", 96 * 72 - 1)
    with pytest.raises(Problem, match="96x72 pixels"):
        uploads.add_clip(rooms, *clip_files(tmp_path, lambda t: t.__setitem__("note", "another file")))


def test_json_bombs_and_files_of_other_kinds_are_told(rooms, tmp_path) -> None:
    video, cameras = clip_files(tmp_path)
    for text in (b"[" * 100_000, b"\xff\xfe", b"{", b"[]"):
        Path(cameras).write_bytes(text)
        with pytest.raises(Problem, match="JSON"):
            uploads.add_clip(rooms, video, cameras)
    with pytest.raises(Problem, match="no file"):
        uploads.add_clip(rooms, None, None)
    with pytest.raises(Problem, match="is not a GLB"):
        uploads.add_mesh(rooms, video)
    big = tmp_path / "big.glb"
    with big.open("wb") as file:
        file.truncate(uploads.MAX_BYTES + 1)
    with pytest.raises(Problem, match="at most 64"):
        uploads.add_mesh(rooms, str(big))


def wrong_meshes() -> dict[str, tuple[bytes, str]]:
    from PIL import Image

    png = io.BytesIO()
    Image.new("1", (6000, 6000)).save(png, "PNG")
    triangles = {"accessors": [{"count": 3_000_000}], "meshes": [{"primitives": [{"indices": 0, "attributes": {}}]}]}
    one = {"meshes": [{"primitives": [{"indices": 7, "attributes": {}}]}], "nodes": [{"mesh": 0}]}
    shared = {"accessors": [{"count": 3000}], "meshes": [{"primitives": [{"indices": 0, "attributes": {}}]}]}
    image = {"images": [{"bufferView": 0}], "bufferViews": [{"byteLength": len(png.getvalue())}]}
    return {
        "no glTF": (b"PK\x03\x04" + b"0" * 100, "is no GLB"),
        "cut off": (glb({"asset": {"version": "2.0"}})[:-4] + b"", "cut off"),
        "external buffer": (glb({"buffers": [{"uri": "../../etc/passwd"}]}), "refers to another file"),
        "external image": (glb({"images": [{"uri": "http://localhost/x.png"}]}), "refers to another file"),
        "a million triangles": (glb({**triangles, "nodes": [{"mesh": 0}]}), "1,000,000 triangles"),
        "one mesh a thousand times": (glb({**shared, "nodes": [{"mesh": 0}] * 1000}), "1,000,000 triangles"),
        "too many nodes": (glb({"nodes": [{}] * 3000}), "3000 nodes"),
        "a huge texture": (glb({"asset": {}, **image}, png.getvalue()), "megapixels"),
        "a broken texture": (glb({"asset": {}, **image}, b"\x89PNG not really"), "can't be read"),
        "indices that lead nowhere": (glb(one), "doesn't fit together"),
        "lists where objects belong": (glb({"meshes": [[]], "nodes": [1]}), "doesn't fit together"),
        "no triangles": (glb({"asset": {"version": "2.0"}, "scenes": [{"nodes": []}]}), "scene.glb"),
    }


@pytest.mark.parametrize("kind", list(wrong_meshes()))
def test_wrong_meshes_are_told(rooms, tmp_path, kind) -> None:
    content, says = wrong_meshes()[kind]
    path = tmp_path / "my scene.glb"
    path.write_bytes(content)
    with pytest.raises(ValueError) as error:
        uploads.add_mesh(rooms, str(path))
    assert says in refused(error, tmp_path)


def test_a_glb_becomes_a_room(rooms, tmp_path) -> None:
    import trimesh

    scene = trimesh.Scene()
    for name, size, at in (
        ("floor_1#a", (5, 0.1, 5), (0, -0.05, 0)),
        ("sofa_1#seat", (1.6, 0.8, 0.8), (1.2, 0.4, -1.5)),
        ("chair_1#all", (0.5, 0.9, 0.5), (-1.2, 0.45, -1.2)),
        ("table_1#top", (0.9, 0.7, 0.9), (0.0, 0.35, 1.6)),
    ):
        scene.add_geometry(trimesh.creation.box(size, trimesh.transformations.translation_matrix(at)), node_name=name)
    path = tmp_path / "mine.glb"
    path.write_bytes(scene.export(file_type="glb"))
    told = []
    clip = uploads.add_mesh(rooms, str(path), lambda share, text: told.append(share))
    assert sorted(clip.labels.values()) == ["chair", "sofa", "table"]
    assert clip.frames.shape == (TINY.frames, TINY.height, TINY.width, 3)
    assert not clip.footprints.amodal and told == sorted(told)
    assert (rooms.store.media_folder(clip.id) / "room.glb").stat().st_size > 1000


def test_a_mesh_of_absurd_scale_is_told_without_options_of_the_command_line(rooms, tmp_path) -> None:
    import trimesh

    scene = trimesh.Scene()
    for name, size in (("floor", (50_000.0, 0.1, 50_000.0)), ("chair_1#seat", (0.5, 0.5, 0.5))):
        scene.add_geometry(trimesh.creation.box(size), node_name=name, geom_name=name)
    path = tmp_path / "scene.glb"
    path.write_bytes(scene.export(file_type="glb"))
    with pytest.raises(ValueError) as error:
        uploads.add_mesh(rooms, str(path))
    told = refused(error, tmp_path)
    assert "2e+09 m2" in told and "--" not in told

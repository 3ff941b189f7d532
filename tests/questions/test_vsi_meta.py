"""VSI-Bench's metadata is read as scenes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ocr_hf.scenes.readers.vsi_meta import read_meta_info, scene_from_record

BOX = {"centroid": [1.0, 2.0, 0.5], "axesLengths": [2.0, 1.0, 0.4], "normalizedAxes": [0, 1, 0, -1, 0, 0, 0, 0, 1]}
RECORD = {
    "dataset": "scannet",
    "room_size": 12.34,
    "object_counts": {"chair": 1, "coat hanger": 1, "window": 3},
    "object_bbox": {"chair": [BOX, BOX], "coat hanger": [BOX], "window": [BOX]},
}


def test_boxes_names_and_counts() -> None:
    scene = scene_from_record("scene0001_00", RECORD)
    assert (scene.name, scene.source, scene.floor_area_m2) == ("scene0001_00", "scannet", 12.34)
    assert [(item.id, item.label) for item in scene.objects] == [
        (1, "chair"),
        (2, "coat rack"),
        (3, "window"),
        (4, "window"),
        (5, "window"),
    ]
    assert [item.box.is_degenerate for item in scene.objects] == [False, False, False, True, True]
    # The rows of normalizedAxes are the box's axes: its 2 m run along y.
    assert scene.objects[0].box.corners().max(axis=0) == pytest.approx([1.5, 3.0, 0.7])


def test_the_published_scenes(shared: Path) -> None:
    scenes = read_meta_info(shared / "vsi_bench" / "meta_info")
    assert len(scenes) == 288
    assert {scene.source for scene in scenes.values()} == {"arkitscenes", "scannet", "scannetpp"}
    for path in (shared / "vsi_bench" / "meta_info").glob("*.json"):
        for name, record in json.loads(path.read_text()).items():
            assert len(scenes[name].objects) == sum(record["object_counts"].values())
            first = record["object_bbox"][next(iter(record["object_counts"]))][0]
            # ARKitScenes' min and max are its box's; the others' are the mesh's, which the box encloses.
            low, high = (
                scenes[name].objects[0].box.corners().min(axis=0),
                scenes[name].objects[0].box.corners().max(axis=0),
            )
            assert (low[:2] <= np.array(first["min"])[:2] + 0.02).all()
            assert (high[:2] >= np.array(first["max"])[:2] - 0.02).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"room_size": None}, "scene 'scene0001_00' can't be read"),
        ({"object_bbox": {"chair": [{**BOX, "axesLengths": [1, 2]}]}}, "box size has shape"),
        ({"object_bbox": {"chair": [{**BOX, "normalizedAxes": [1] * 9}]}}, "orthonormal"),
    ],
)
def test_a_damaged_record_is_named(tmp_path: Path, change: dict, message: str) -> None:
    (tmp_path / "meta.json").write_text(json.dumps({"scene0001_00": {**RECORD, **change}}))
    with pytest.raises(ValueError, match=message):
        read_meta_info(tmp_path)


def test_missing_and_repeated_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has no .json file"):
        read_meta_info(tmp_path)
    for name in ("a.json", "b.json"):
        (tmp_path / name).write_text(json.dumps({"scene0001_00": RECORD}))
    with pytest.raises(ValueError, match="b.json: scene 'scene0001_00' is in an earlier file"):
        read_meta_info(tmp_path)
    assert list(read_meta_info(tmp_path / "a.json")) == ["scene0001_00"]

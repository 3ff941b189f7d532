"""scenezoo as a second opinion on our three readers, and as a reader of its own. Skipped where it isn't installed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ocr_hf.cli import main
from ocr_hf.data.convert_scan import convert_scan
from ocr_hf.scenes.categories import Categories
from ocr_hf.scenes.recorded.read_recorded import read_recorded
from tests.data.test_scan_exports import phone, scannet
from tests.scan_exports import SCENE_ID, VIDEO, write_arkitscenes
from tests.scannet_files import SCAN

scenezoo = pytest.importorskip("scenezoo")

CASES = {
    # It leaves scans of ScanNet as they are, without their axisAlignment
    "scannet": ("scannetv2", SCAN, "sens", lambda root: scannet(root / "scans", aligned=False)),
    # And it reads the phone's video, not pictures that were taken out of it
    "scannetpp": ("scannetppv2", SCENE_ID, "iphone", lambda root: phone(root / "data", pictures="mkv")),
    **{
        f"arkitscenes, sky {sky}": ("arkitscenes", VIDEO, "lowres_wide", lambda root, sky=sky: ark(root, sky))
        for sky in ("Up", "Left")
    },
}


def ark(root: Path, sky: str) -> Path:
    """Write a video's folder where scenezoo looks for it: beside metadata.csv, without the folder of its fold."""
    folder = write_arkitscenes(root, layout="raw", sky=sky)
    linked = root / "raw" / VIDEO
    linked.symlink_to(folder)
    return linked


def bounds(box) -> tuple[np.ndarray, np.ndarray]:
    return np.asarray(box.get_min_bound()), np.asarray(box.get_max_bound())


@pytest.mark.parametrize("case", CASES)
def test_it_reads_the_same_boxes_and_cameras(case: str, tmp_path: Path) -> None:
    dataset, scan, source, write = CASES[case]
    folder = write(tmp_path)
    ours = read_recorded(convert_scan(case.partition(",")[0], folder, tmp_path / "out").folder)
    theirs = scenezoo.get_dataset(dataset, tmp_path, offline=True)
    boxes, names = theirs.get_boxes(scan) if dataset == "arkitscenes" else theirs.get_boxes(scan, box_type="aabb")
    # Theirs are 32-bit, or of 32-bit vertices
    for item in ours.scene.objects:
        low, high = bounds(boxes[item.id - 1])
        corners = item.box.corners()
        assert np.abs(corners.min(axis=0) - low).max() < 2e-6 and np.abs(corners.max(axis=0) - high).max() < 2e-6
        label = names[item.id - 1]
        assert item.label == ("tv" if label == "tv_monitor" else Categories.load(None).of(label))
    which = {} if dataset == "scannetv2" else {"source": source}
    # It takes the phone's videos of 1920x1440 alone; ours is smaller
    items = ("depth", "world_to_camera") if dataset == "scannetppv2" else ("rgb", "depth", "world_to_camera")
    frames = theirs.get_frames(scan, items=items, **which)
    # A picture of ARKitScenes whose .pincam is another's, 2 ms away, is one to it and none to us
    more = [number for number, key in enumerate(frames.frame_keys or ()) if key.endswith("3414.550.png")]
    kept = np.setdiff1d(np.arange(len(frames.indices)), more)
    assert len(kept) == len(ours.numbers)
    poses = np.linalg.inv(frames.world_to_camera[kept].astype(np.float64))
    assert np.abs(poses - ours.camera_to_world).max() < 1e-5
    for index, picture in enumerate(ours.images(range(len(poses))) if "rgb" in items else ()):
        assert np.array_equal(picture, frames.rgb[kept[index]])
    if dataset != "scannetv2":  # whose depth we look up for the colour camera
        for index in range(len(poses)):
            assert np.abs(ours.depth(index) - frames.depth[kept[index]]).max() < 6e-4


def test_a_scan_is_converted_through_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scannet(tmp_path / "scans", aligned=False)
    words = ["convert-scan", "--from", "scenezoo", str(tmp_path), "--out", str(tmp_path / "out")]
    with pytest.raises(SystemExit) as ended:
        main([*words, "--dataset", "scannetv2", "--scan", SCAN])
    assert not ended.value.code, capsys.readouterr().err
    found = read_recorded(tmp_path / "out" / SCAN)
    own = read_recorded(convert_scan("scannet", tmp_path / "scans" / SCAN, tmp_path / "own").folder)
    assert np.abs(found.camera_to_world - own.camera_to_world).max() < 1e-5
    assert found.scene.source == "scannetv2" and found.has_depth.all() and found.has_instances.all()
    for index in range(len(found.camera_to_world)):
        assert np.array_equal(found.instances(index), own.instances(index))
    # The fixture's wall is too flat for upright boxes of least area: those along the axes are ours
    for item, other in zip(found.scene.objects, own.scene.objects, strict=True):
        assert (item.id, item.label) == (other.id, other.label)
        assert np.abs(np.sort(item.box.corners(), axis=0) - np.sort(other.box.corners(), axis=0)).max() < 2e-6


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--dataset", "scannetv2"], "scenezoo needs scan; give it with --scan"),
        (["--dataset", "scannetv3", "--scan", "a"], "scannetv2"),
        (["--dataset", "s3dis", "--scan", "a"], "no frames with cameras, or no boxes, of s3dis"),
        (["--dataset", "scannetv2", "--scan", "scene0001_07"], "scenezoo can't read scene0001_07 of scannetv2"),
        (["--dataset", "arkitscenes", "--scan", "1"], "are read with --from arkitscenes"),
    ],
)
def test_what_it_cannot_read_is_told(
    more: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["convert-scan", "--from", "scenezoo", str(tmp_path), "--out", str(tmp_path / "out"), *more])
    assert ended.value.code == 1 and told in capsys.readouterr().err

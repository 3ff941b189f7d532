"""`ocr-hf convert-scan`: a furnished room in ScanNet's layout comes back with its boxes, poses, frames and maps."""

from __future__ import annotations

import json
import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ocr_hf.cli import main
from ocr_hf.data.build_config import BuildConfig
from ocr_hf.data.build_plan import plan_scenes
from ocr_hf.data.convert_scan import convert_scan
from ocr_hf.data.footage import Footage
from ocr_hf.data.load import load
from ocr_hf.hub.licences import restriction
from ocr_hf.scenes.recorded.read_recorded import read_recorded
from tests.scannet_files import COLOR_CAMERA, FRAMES, LOST, SCAN, ScanRoom, scan_room, write_scan

KEPT = [number for number in range(FRAMES) if number != LOST]


@pytest.fixture(scope="module")
def room() -> ScanRoom:
    return scan_room()


@pytest.fixture(scope="module")
def scan(room: ScanRoom, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scan(room, tmp_path_factory.mktemp("scans") / SCAN)


@pytest.fixture
def copied(scan: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(scan, tmp_path / SCAN))


@pytest.mark.parametrize("exported", [False, True], ids=["sens", "exported"])
@pytest.mark.parametrize("aligned", [True, False], ids=["aligned", "as-it-is"])
def test_boxes_poses_frames_and_maps_come_back(aligned: bool, exported: bool, room: ScanRoom, tmp_path: Path) -> None:
    done = convert_scan("scannet", write_scan(room, tmp_path / "any", SCAN, aligned, exported), tmp_path / "out")
    found = read_recorded(done.folder)
    bounds = room.bounds()
    assert {item.id for item in found.scene.objects} == set(bounds) and len(bounds) > 5
    for item in found.scene.objects:
        corners = item.box.corners()
        low, high = bounds[item.id]
        assert np.abs(corners.min(axis=0) - low).max() < 1e-6 and np.abs(corners.max(axis=0) - high).max() < 1e-6
    labels = {item.id: item.label for item in found.scene.objects}
    assert labels[room.shared] == "sofa" and labels[1] == room.scene.object(1).label
    assert found.structure_ids == set(room.structure_ids)
    assert found.numbers.tolist() == KEPT and found.dropped == {"without a pose": 1} and done.lost == 1
    # What files have of a pose: 32-bit numbers, or six decimals
    assert np.abs(found.camera_to_world - room.poses[KEPT]).max() < 1e-5
    assert np.abs(found.intrinsics - COLOR_CAMERA).max() < 1e-5
    assert np.array_equal(np.stack(list(found.images(range(len(KEPT))))), room.frames[KEPT])
    for index, number in enumerate(KEPT):
        assert np.array_equal(found.instances(index), room.instances[number])
        # The depth camera's, looked up: within half a pixel
        wrong = np.abs(found.depth(index) - room.depth_of_color[number])
        assert np.median(wrong) < 0.02 and wrong.shape == (60, 80)
    told = "\n".join(done.notes)
    assert ("no axisAlignment" in told) is not aligned and ("the export has no times" in told) is exported
    times = np.array(KEPT) / 30.0 if exported else room.times_us[KEPT] / 1e6
    assert found.times_s == pytest.approx(times, abs=1e-9)
    assert found.scan == SCAN and found.scene.source == "scannet" and restriction(found.scene.source)


def test_depth_is_looked_up_by_both_cameras(room: ScanRoom, scan: Path, tmp_path: Path) -> None:
    """As it is stored it lies a pixel and more beside the pictures."""
    found = read_recorded(convert_scan("scannet", scan, tmp_path).folder)
    after, before = (
        np.mean([np.abs(depth - room.depth_of_color[n]).mean() for depth, n in zip(maps, KEPT, strict=True)])
        for maps in ((found.depth(i) for i in range(len(KEPT))), (room.depth_mm[n] / 1000.0 for n in KEPT))
    )
    assert after < 0.8 * before


def test_a_clip_has_the_maps_footprints(room: ScanRoom, scan: Path, tmp_path: Path) -> None:
    found = read_recorded(convert_scan("scannet", scan, tmp_path).folder)
    config = BuildConfig(source="recorded", root=str(tmp_path), frames=4, width=160, height=120)
    _, facts = Footage(found, 0.01, False).record(config, plan_scenes(config)[0].clips[0])
    assert facts["footprints"] == "instance maps" and facts["dropped_frames"] == {"without a pose": 1}
    assert max(map(abs, facts.get("picture_shift_px", [0.0]))) < 1.0
    # Boxes along the axes are larger than turned ones: not more than that
    assert facts["mask_box_iou"] > 0.5


def test_the_command_takes_every_nth_frame(
    room: ScanRoom, copied: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (copied / f"{SCAN}_2d-instance-filt.zip").unlink()
    out = tmp_path / "recordings"
    words = ["convert-scan", "--from", "scannet", str(copied), "--out", str(out), "--every", "2"]
    with pytest.raises(SystemExit) as ended:
        main(words)
    told = capsys.readouterr().out
    assert not ended.value.code and "3 frames, 1 of them without a pose" in told
    assert "instance maps are cast from the mesh" in told
    found = read_recorded(out / SCAN)
    assert np.array_equal(np.stack(list(found.images([0, 1]))), room.frames[[0, 4]])
    assert found.has_instances.all() and found.has_depth.all()


def test_the_pages_walk_runs(room: ScanRoom, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As docs/your-own-scans.md has it, but for the fixture's few and small frames."""
    page = (root / "docs/your-own-scans.md").read_text(encoding="utf-8").partition("\n## ScanNet\n")[2]
    commands = re.findall(r"```bash\n(.*?)```", page, re.S)[0]
    for ours, fixtures in (
        ("--every 10", "--every 1"),
        ("--frames 16 --width 640 --height 478", "--frames 4 --width 160 --height 120"),
    ):
        assert ours in commands
        commands = commands.replace(ours, fixtures)
    write_scan(room, tmp_path / "scans/scene0001_00", "scene0001_00")
    monkeypatch.chdir(tmp_path)
    for line in commands.splitlines():
        with pytest.raises(SystemExit) as ended:
            main(line.split()[1:])
        assert not ended.value.code, line
    (row, *_) = load(tmp_path / "ocr-vsi-scannet", split="train")
    assert row["dataset"] == "scannet" and restriction(row["dataset"], row["scene_name"])


@pytest.mark.parametrize("name", ["scene0251_00", "scene0251_01"])
def test_rooms_that_are_tested_on_are_refused_under_any_name(name: str, room: ScanRoom, tmp_path: Path) -> None:
    folder = write_scan(room, tmp_path / "my_flat", name)
    with pytest.raises(ValueError, match=f"not for training: {name} .* VSI-Bench's test set"):
        convert_scan("scannet", folder, tmp_path / "out")
    # Renamed files: the annotation tells
    for file in folder.iterdir():
        file.rename(folder / file.name.replace(name, SCAN))
    with pytest.raises(ValueError, match=f"json is of {name}; give each scan its own files"):
        convert_scan("scannet", folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def changed(suffix: str, change: Callable[[dict], object]) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        path = folder / f"{SCAN}{suffix}"
        told = json.loads(path.read_text())
        change(told)
        path.write_text(json.dumps(told))

    return edit


def replaced(suffix: str, data: bytes | None) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        path = folder / f"{SCAN}{suffix}"
        path.unlink() if data is None else path.write_bytes(data)

    return edit


def zipped(name: str) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        with zipfile.ZipFile(folder / f"{SCAN}_2d-instance-filt.zip", "w") as archive:
            archive.writestr(name, b"no picture")

    return edit


AGGREGATION, SEGMENTS, MESH, MAPS = (
    ".aggregation.json",
    "_vh_clean_2.0.010000.segs.json",
    "_vh_clean_2.ply",
    "_2d-instance-filt.zip",
)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (replaced(AGGREGATION, None), "has no scene0000_00.aggregation.json; give one scan's folder"),
        (replaced(SEGMENTS, None), "segs.json is not there; download all files"),
        (replaced(MESH, None), "_vh_clean_2.ply is not there"),
        (replaced(".txt", None), f"{SCAN}.txt is not there"),
        (replaced(".sens", None), f"has neither {SCAN}.sens nor color/"),
        (replaced(MESH, b"ply\nformat"), "_vh_clean_2.ply is no mesh that can be read"),
        (replaced(SEGMENTS, b"[1"), "segs.json is no JSON"),
        (replaced(SEGMENTS, b"[1]"), "segs.json is no JSON object"),
        (replaced(AGGREGATION, b'{"segGroups": "\xff"}'), "aggregation.json is not UTF-8 at byte 15"),
        (replaced(".txt", b"axisAlignment = 1 2 3\n"), "axisAlignment is '1 2 3', no 16 numbers of a rigid motion"),
        (replaced(".txt", b"axisAlignment =" + b" 2" * 16), "no 16 numbers of a rigid motion"),
        (changed(AGGREGATION, lambda told: told.update(segGroups=[])), "aggregation.json has no objects"),
        (changed(AGGREGATION, lambda told: told.update(segGroups=told["segGroups"][-3:])), "nothing but structure"),
        (changed(AGGREGATION, lambda told: told["segGroups"][1].pop("label")), "object 1 lacks an objectId"),
        (
            changed(AGGREGATION, lambda told: told["segGroups"].append(told["segGroups"][0])),
            "objectId 0 is used more than once",
        ),
        (changed(SEGMENTS, lambda told: told["segIndices"].pop()), "vertices, .*; they are of different meshes"),
        (changed(SEGMENTS, lambda told: told.update(segIndices=["a"])), "no list segIndices of whole numbers"),
        (replaced(MAPS, b"PK"), "instance-filt.zip is not a readable zip archive"),
        (zipped("../../0.png"), "member '../../0.png' points outside the archive"),
        (zipped("instance-filt/0.png"), "instance-filt/0.png is no picture that can be read"),
    ],
)
def test_what_is_wrong_is_told_in_one_sentence(
    edit: Callable[[Path], None], message: str, copied: Path, tmp_path: Path
) -> None:
    edit(copied)
    with pytest.raises(ValueError, match=message) as raised:
        convert_scan("scannet", copied, tmp_path / "out")
    assert "\n" not in str(raised.value) and str(tmp_path) not in str(raised.value)
    assert not list((tmp_path / "out").glob("*"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("pose/3.txt", "pose/3.txt is not there, though its picture is"),
        ("depth/3.png", "depth/3.png is not there"),
        ("intrinsic/intrinsic_depth.txt", "intrinsic/intrinsic_depth.txt is not there"),
    ],
)
def test_an_export_lacks_no_file(name: str, message: str, room: ScanRoom, tmp_path: Path) -> None:
    folder = write_scan(room, tmp_path / SCAN, exported=True)
    (folder / name).unlink()
    with pytest.raises(ValueError, match=message):
        convert_scan("scannet", folder, tmp_path / "out")
    (folder / name).write_bytes(b"1 2")
    with pytest.raises(ValueError, match="doesn't hold 4 x 4 numbers|no picture that can be read"):
        convert_scan("scannet", folder, tmp_path / "out")


def test_an_object_without_a_vertex_is_left_out(copied: Path, tmp_path: Path) -> None:
    changed(AGGREGATION, lambda told: told["segGroups"][0].update(segments=[999999], label="office chair"))(copied)
    done = convert_scan("scannet", copied, tmp_path / "out")
    assert "objects without a vertex in the mesh, left out: office chair" in done.notes
    assert 1 in read_recorded(done.folder).structure_ids


def test_mistakes_of_the_caller(scan: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="from is 'scanet'; did you mean 'scannet'"):
        convert_scan("scanet", scan, tmp_path)
    with pytest.raises(ValueError, match="every is 0; give 1 for all frames"):
        convert_scan("scannet", scan, tmp_path, every=0)
    with pytest.raises(ValueError, match="is no folder; give a scan's"):
        convert_scan("scannet", tmp_path / "none", tmp_path)

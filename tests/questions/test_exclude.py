"""VSI-Bench's scenes, and other scans of their rooms, stay out of training."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from ocr_hf.data.assemble import NothingBuilt
from ocr_hf.data.build_config import BuildConfig
from ocr_hf.data.build_folder import build_folder
from ocr_hf.questions.exclude import arkitscenes_visits, vsi_bench_scenes, why_excluded


def test_the_list_is_that_of_the_test_set(shared: Path) -> None:
    rows = pd.read_parquet(shared / "vsi_bench" / "test.parquet", columns=["dataset", "scene_name"])
    assert dict(vsi_bench_scenes()) == dict(zip(rows.scene_name, rows.dataset, strict=True))
    assert len(vsi_bench_scenes()) == 288
    assert all(why_excluded(name) is not None for name in rows.scene_name)


def test_covers_the_vsi_bench_part_of_another_teams_list(shared: Path) -> None:
    theirs = (shared / "vsi_bench" / "exclude_list.txt").read_text().split()
    rooms = {name[:9] for name, dataset in vsi_bench_scenes().items() if dataset == "scannet"}
    tested = [name for name in theirs if name[:9] in rooms]
    assert len(tested) == 207
    assert all(why_excluded(name) is not None for name in tested)
    # The rest of their list are ScanNet's other validation scans, which VSI-Bench doesn't test on.
    assert not any(why_excluded(name) for name in theirs if name[:9] not in rooms)


@pytest.mark.parametrize(
    "scan",
    [
        "scene0251_00",
        "scene0251_02",
        "scans/scene0251_00/scene0251_00_vh_clean_2.ply",
        "scene0251_00.mp4",
        "7b6477cb95",
        "data/7b6477cb95/scans/mesh_aligned_0.05.ply",
        "41069025",
        "raw/Validation/41069025/41069025_3dod_mesh.ply",
    ],
)
def test_names_and_paths_of_test_scans_are_recognised(scan: str) -> None:
    assert "VSI-Bench's test set" in why_excluded(scan)


@pytest.mark.parametrize(
    "scan", ["procedural_000001", "scene0000_00", "scene02510_00", "house.glb", "0a5c013435", "40753679"]
)
def test_others_may_be_trained_on(scan: str) -> None:
    assert why_excluded(scan) is None


def test_arkitscenes_videos_of_one_visit_go_together(tmp_path: Path) -> None:
    table = tmp_path / "metadata.csv"
    table.write_text(
        "video_id,visit_id,fold\n41069025,421065,Validation\n41069026,421065,Validation\n40753679,1,Training\n"
    )
    visits = arkitscenes_visits(table)
    assert "same place" in why_excluded("41069026", visits)
    assert why_excluded("41069026") is None
    assert why_excluded("40753679", visits) is None
    table.write_text("video,visit\n1,2\n")
    with pytest.raises(ValueError, match="no columns video_id and visit_id"):
        arkitscenes_visits(table)


@pytest.mark.parametrize("path", ["scans/scene0251_02/scene0251_02.glb", "41069025.obj"])
def test_a_build_leaves_test_scenes_out_without_opening_them(path: str, tmp_path: Path) -> None:
    scan = tmp_path / path
    scan.parent.mkdir(parents=True, exist_ok=True)
    scan.write_text("no mesh at all")
    config = BuildConfig(source="mesh", path=(str(scan),))
    with pytest.raises(NothingBuilt, match="VSI-Bench's test set"):
        build_folder(config, tmp_path / "out", num_proc=1)

"""Loading: the folder's parent and two words are enough."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import datasets
import numpy as np
import pytest

from ocr_hf.data.build_folder import build_folder
from ocr_hf.data.builder import OcrVsi
from ocr_hf.data.load import clips, load
from ocr_hf.data.schema import FORMAT_VERSION, MANIFEST, FormatError, features, read_manifest
from ocr_hf.data.video import read_frames
from tests.data.conftest import small_config


@pytest.fixture
def in_parent(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in the built folder's parent, with a fresh cache."""
    monkeypatch.chdir(built.parent)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    return built


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("config", [None, "pairs", "recipes"])
def test_load_dataset_verbatim(in_parent: Path, config: str | None, streaming: bool) -> None:
    pytest.importorskip("torchcodec")
    loaded = datasets.load_dataset("ocr-vsi", *([config] if config else []), streaming=streaming)
    rows = list(loaded["train"])
    assert loaded["train"].features == features(config or "pairs")
    assert len(rows) == read_manifest(in_parent)["statistics"]["splits"]["train"]["rows"]
    for row in rows:
        frames, times = read_frames(row["vanilla"])
        assert frames.shape == (4, 72, 96, 3) and len(row["camera_to_world"]) == 4
        np.testing.assert_allclose(times, np.arange(4) / row["fps"], atol=1e-4)
        assert ("noisy" in row) == (config != "recipes")


def test_the_builder_gives_the_same_rows(in_parent: Path, tmp_path: Path) -> None:
    for config in ("pairs", "recipes"):
        builder = OcrVsi(config_name=config, build=small_config(), folder="ocr-vsi", cache_dir=str(tmp_path / "own"))
        builder.download_and_prepare(num_proc=2)
        ours = builder.as_dataset(split="train").cast_column("vanilla", datasets.Video(decode=False))
        theirs = load(in_parent, config, split="train")
        assert builder.info.features == features(config)
        drop = ["noisy"] if config == "pairs" else []
        assert ours.remove_columns(drop).to_list() == theirs.remove_columns(drop).to_list()


def test_two_configs_of_the_builder_do_not_share_a_cache(tmp_path: Path) -> None:
    places = {
        OcrVsi(build=small_config(seed=seed), folder="x", cache_dir=str(tmp_path)).cache_dir for seed in (7, 7, 8)
    }
    assert len(places) == 2


def test_load_checks_the_version_first(built: Path, tmp_path: Path) -> None:
    newer = tmp_path / "newer"
    shutil.copytree(built, newer)
    manifest = json.loads((newer / MANIFEST).read_text())
    (newer / MANIFEST).write_text(json.dumps({**manifest, "format_version": FORMAT_VERSION + 1}))
    with pytest.raises(FormatError, match="upgrade"):
        load(newer)
    with pytest.raises(FormatError, match="no such folder"):
        load(tmp_path / "absent")
    with pytest.raises(ValueError, match="'other'"):
        load(built, "other")


def test_a_moved_folder_gives_the_videos_of_its_new_place(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    first, second = tmp_path / "a" / "ocr-vsi", tmp_path / "b" / "ocr-vsi"
    shutil.copytree(built, first)
    assert load(first, split="train")[0]["vanilla"]["path"].startswith(str(first))
    second.parent.mkdir()
    first.rename(second)
    for split in ("train", None):
        loaded = load(second, split=split)
        row = (loaded if split else loaded["train"])[0]
        assert row["vanilla"]["path"].startswith(str(second))
        assert len(read_frames(row["vanilla"])[0]) == 4


def test_clips_group_rows_and_stream(built: Path) -> None:
    found = list(clips(load(built, "pairs", split="train", streaming=True)))
    assert [clip.id for clip in found] == sorted({clip.id for clip in found})
    for clip in found:
        assert {row["clip_id"] for row in clip.rows} == {clip.id}
        vanilla, noisy = clip.frames([0, 3]), clip.frames([0, 3], noisy=True)
        region = clip.footprints.region(clip.noisy_objects, [0, 3])
        difference = np.abs(vanilla.astype(int) - noisy).mean(axis=-1)
        if region.any():
            assert difference[region].mean() > 5 * difference[~region].mean()
        assert set(clip.footprints.object_ids) <= set(clip.boxes) == set(clip.labels)
    recipe = next(clips(load(built, "recipes", split="train", streaming=True)))
    with pytest.raises(ValueError, match="config 'pairs'"):
        recipe.frames(noisy=True)


def test_row_groups_are_small(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    from ocr_hf.data import assemble

    build_folder(small_config(scenes=1), tmp_path / "one")
    file = pq.ParquetFile(tmp_path / "one/train/metadata.parquet")
    assert max(file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)) < 2 * assemble.ROW_GROUP


def test_the_documented_lines_batch(in_parent: Path) -> None:
    torch = pytest.importorskip("torch")
    page = (Path(__file__).parents[2] / "docs" / "data.md").read_text(encoding="utf-8")
    code = page.split("## Batches", 1)[1].split("```python\n", 1)[1].split("```", 1)[0]
    found: dict = {}
    exec(code, found)
    rows = found["rows"]
    for start, batch in zip(range(0, len(rows), 4), found["tensors"], strict=True):
        part = rows[start : start + 4]
        assert batch["question"] == part["question"] and batch["id"].tolist() == part["id"]
        for name in ("camera_to_world", "intrinsics"):
            np.testing.assert_allclose(batch[name], np.array(part[name]), rtol=1e-6)
    batch = next(iter(found["videos"]))
    assert batch["frames"].shape == (4, 4, 72, 96, 3) and batch["frames"].dtype == torch.uint8
    np.testing.assert_array_equal(batch["frames"][3], read_frames(rows[3]["vanilla"])[0])
    assert [row for batch in found["whole"] for row in batch] == list(rows)

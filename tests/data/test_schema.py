"""Columns and versions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ocr_hf.data.schema import FORMAT_VERSION, MANIFEST, MEANING, FormatError, features, read_manifest, stored_features

VSI_BENCH = ("id", "dataset", "scene_name", "question_type", "question", "options", "ground_truth")


def test_configs_differ_by_the_noisy_copy_only() -> None:
    pairs, recipes = features("pairs"), features("recipes")
    assert set(pairs) - set(recipes) == {"noisy", "noisy_objects", "mode", "strength", "seed"}
    assert all(pairs[name] == recipes[name] for name in recipes)
    assert set(VSI_BENCH) < set(recipes) and set(MEANING) == {*pairs, *features("twins")}
    assert {name.removesuffix("_file_name") for name in stored_features("pairs")} == set(pairs)


def test_twins_have_another_video_and_its_answer() -> None:
    twins, recipes = features("twins"), features("recipes")
    own = {"edited", "relation", "control_of", "edit", "edited_ground_truth", "edited_objects", "edited_footprints"}
    assert set(twins) - set(recipes) == own
    assert all(twins[name] == recipes[name] for name in recipes)
    assert twins["edited"] == twins["vanilla"] and twins["edited_footprints"] == twins["footprints"]


def test_columns_have_vsi_bench_s_names(shared: Path) -> None:
    import pyarrow.parquet as pq

    official = pq.read_schema(shared / "vsi_bench" / "test.parquet").names
    assert set(VSI_BENCH) <= set(official)


def test_a_newer_folder_is_refused_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_text(json.dumps({"format_version": FORMAT_VERSION + 1}))
    with pytest.raises(FormatError, match=f"format version {FORMAT_VERSION + 1}.*upgrade"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"format_version": "1"}', '{"format_version": 0}'])
def test_a_broken_manifest_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(FormatError, match=MANIFEST):
        read_manifest(tmp_path)


def test_a_folder_without_manifest_is_none(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="no ocr_vsi.json"):
        read_manifest(tmp_path)


def test_unknown_config_is_named() -> None:
    with pytest.raises(ValueError, match="'raw'"):
        features("raw")

"""Writing the recipes of a build's clips, which may be published where its frames may not."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from huggingface_hub import DatasetCard, DatasetCardData

from ocr_hf.data.atomic import new_folder, write_json
from ocr_hf.data.dataset_card import size_category
from ocr_hf.data.load import scenes
from ocr_hf.data.scan_recipes import (
    CLIP_KEYS,
    OPTION_KEYS,
    VERSION,
    questions_digest,
    read_recipes,
    split_counts,
    video_digests,
)
from ocr_hf.data.schema import MAX_QUESTIONS, METADATA, RECIPES, read_manifest
from ocr_hf.data.statistics import sources_of

TEMPLATE = Path(__file__).with_name("recipes_card.md")


def write_recipes(folder: str | os.PathLike, out: str | os.PathLike) -> dict[str, Any]:
    """Write the recipes of a finished build's clips, which may be published whatever the scans' terms are.

    Args:
        folder: ocr-vsi folder, built from source recorded.
        out: the folder to make.

    Returns:
        What `scan_recipes.json` holds.

    Raises:
        FileExistsError: something is at `out`.
        FormatError: `folder` is no ocr-vsi folder.
        ValueError: its scenes aren't recorded ones, or an older version built it.
        OSError: the disk is full.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    source = manifest["config"]["source"]
    if source != "recorded":
        way_out = {"scans": "publish those"}.get(source, "publish a producer script, as those of dataset_scripts/")
        what = "joined from recipes" if source == "scans" else f"built from source {source}, not of recorded scenes"
        raise ValueError(f"{folder} was {what}; {way_out}")
    described = scenes(folder)
    config = {name: manifest["config"][name] for name in OPTION_KEYS if name in manifest["config"]}
    splits: dict[str, dict[str, int]] = {}
    with new_folder(out) as temporary:
        for split in manifest["statistics"]["splits"]:
            clips = list(_clips(folder / split, described))
            lines = [json.dumps(clip, ensure_ascii=False) for clip in clips]
            (temporary / f"{split}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
            splits[split] = split_counts((clip["scene_name"], clip["question_numbers"]) for clip in clips)
        told = {
            "version": VERSION,
            "ocr_hf": manifest["ocr_hf"],
            "libraries": manifest["libraries"],
            "config": config,
            "sources": sources_of(list(described.values())),
            "splits": splits,
        }
        write_json(temporary / RECIPES, told)
        (temporary / "README.md").write_text(render_recipes_card(told), encoding="utf-8")
        read_recipes(temporary)
    return told


def _clips(folder: Path, described: Mapping[str, Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the lines of a split whose folder this is."""
    names = ("id", "clip_id", "scene_name", "dataset", "question_type", "question", "options", "ground_truth")
    names += ("vanilla_file_name", "noisy_file_name")
    # partitioning=None: a folder named like `seed=7` in the path would become a column.
    rows = pq.read_table(folder / METADATA["pairs"], columns=list(names), partitioning=None).to_pylist()
    of_clips: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        of_clips.setdefault(row["clip_id"], []).append(row)
    for clip_id, asked in of_clips.items():
        facts = described[asked[0]["scene_name"]]["recorded"][clip_id]
        if "pictures_sha256" not in facts:
            raise ValueError(
                f"{folder.parent} was built by a version that noted no digest of the pictures of {clip_id}; build it "
                "again with this one"
            )
        vanilla, noisy = video_digests(asked, folder)
        yield {
            "clip_id": clip_id,
            "index": asked[0]["id"] // MAX_QUESTIONS,
            "dataset": asked[0]["dataset"],
            "scene_name": asked[0]["scene_name"],
            "converted": facts.get("converted"),
            "frame_numbers": facts["frame_numbers"],
            "question_numbers": [row["id"] % MAX_QUESTIONS for row in asked],
            "pictures_sha256": facts["pictures_sha256"],
            "questions_sha256": questions_digest(asked),
            "vanilla_sha256": vanilla,
            "noisy_sha256": list(noisy),
        }


def render_recipes_card(told: Mapping[str, Any]) -> str:
    """Return README.md of recipes.

    Args:
        told: what `scan_recipes.json` holds.

    Returns:
        The card; `<org>/ocr-vsi` in it stands for the repository.
    """
    data = DatasetCardData(
        pretty_name="OCR-VSI recipes (Object-Centric 3D Rollout)",
        language=["en"],
        license="other",
        task_categories=["visual-question-answering", "video-text-to-text"],
        size_categories=[size_category(sum(split["clips"] for split in told["splits"].values()))],
        tags=["object-centric-3d-rollout", "vsi-bench", "spatial-reasoning", "video", "3d"],
        configs=[
            {
                "config_name": "scan_recipes",
                "default": True,
                "data_files": [{"split": split, "path": f"{split}.jsonl"} for split in told["splits"]],
            }
        ],
    )
    meaning = {name: entry.meaning for name, entry in CLIP_KEYS.items()}
    card = DatasetCard.from_template(
        data, template_path=str(TEMPLATE), told=told, config=told["config"], meaning=meaning
    )
    return str(card)

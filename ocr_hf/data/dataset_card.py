"""The data set's card, rendered from what its build measured: no number in it comes from anywhere else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from datasets import DatasetInfo
from datasets.info import DatasetInfosDict
from datasets.splits import SplitDict
from huggingface_hub import DatasetCard, DatasetCardData

from ocr_hf.data.build_plan import in_folders
from ocr_hf.data.schema import (
    ALTERED_MEANING,
    MEANING,
    METADATA,
    RECORDED_MEANING,
    configs_of,
    features,
    has_altered,
    splits_of,
)
from ocr_hf.text_only.audit_table import FIGURES, VSI_BENCH

TEMPLATE = Path(__file__).with_name("card.md")
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def render_card(manifest: Mapping[str, Any]) -> str:
    """Return README.md of a data set with this manifest."""
    statistics = manifest["statistics"]
    rows = sum(split["rows"] for split in statistics["splits"].values())
    licences = sorted({source["licence"] for source in statistics["sources"]})
    data = DatasetCardData(
        pretty_name="OCR-VSI (Object-Centric 3D Rollout)",
        language=["en"],
        license=licences[0] if len(licences) == 1 else "other",
        task_categories=["visual-question-answering", "video-text-to-text"],
        size_categories=[size_category(rows)],
        tags=["object-centric-3d-rollout", "vsi-bench", "spatial-reasoning", "video", "3d"] + _kind(manifest),
        configs=[_config(name, list(splits_of(manifest, name)), _vanilla(manifest)) for name in configs_of(manifest)],
    )
    altered = has_altered(manifest)
    infos = {name: _info(name, splits_of(manifest, name), altered) for name in configs_of(manifest)}
    DatasetInfosDict(infos).to_dataset_card_data(data)
    columns = {name for config in configs_of(manifest) for name in features(config, altered)}
    card = DatasetCard.from_template(
        data,
        template_path=str(TEMPLATE),
        manifest=manifest,
        config=manifest["config"],
        statistics=statistics,
        rows=rows,
        licences=licences,
        meaning={name: text for name, text in _meaning(manifest).items() if name in columns},
        text_only=_text_only_rows(statistics.get("text_only", {})),  # older folders have none
    )
    return str(card)


def size_category(rows: int) -> str:
    """Return the Hub's name for so many rows."""
    return next((name for limit, name in _SIZES if rows < limit), "1M<n<10M")


def _text_only_rows(audit: Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    """Return the cells of the card's table of what words alone give away."""
    rows = []
    for kind, figures in audit.items():
        missing = figures["not_audited"] or "-"
        cells = [missing if figures["text_statistic"] is None else f"{figures['text_statistic']:.3f}"]
        cells += ["-" if figures[name] is None else f"{figures[name]:.3f}" for name in FIGURES[1:]]
        theirs = dict(zip(FIGURES, VSI_BENCH.get(kind, (None,) * len(FIGURES)), strict=True))
        shown = [theirs[name] for name in ("text_statistic", "constant_per_category")]
        cells += ["-" if score is None else f"{score:.3f}" for score in shown]
        rows.append([kind, str(figures["questions"]), str(figures["scenes"]), *cells])
    return rows


def _kind(manifest: Mapping[str, Any]) -> list[str]:
    """Return the tag of data sets whose frames nobody filmed."""
    return [] if "recorded" in manifest["statistics"] else ["synthetic"]


def _meaning(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Return what the columns mean; some mean another thing in recordings."""
    recorded = RECORDED_MEANING if "recorded" in manifest["statistics"] else {}
    return {**MEANING, **ALTERED_MEANING, **recorded}


def _vanilla(manifest: Mapping[str, Any]) -> str:
    """Return where the vanilla videos are, below the folder of that name: without altered copies, where it has them."""
    if not has_altered(manifest):
        return "**/*.mp4"
    config = manifest["config"]
    return "[0-9]*/*.mp4" if in_folders(config["scenes"] * config["clips_per_scene"], config["select"]) else "*.mp4"


def _config(name: str, splits: list[str], vanilla: str) -> dict[str, Any]:
    """Return a config's YAML: the metadata file and the videos beside it, by name, so that nothing else is read."""
    videos = {
        "pairs": (f"vanilla/{vanilla}", "noisy/**/*.mp4"),
        "recipes": ("vanilla/**/*.mp4",),
        "twins": (f"vanilla/{vanilla}", "edited/**/*.mp4"),
    }[name]
    return {
        "config_name": name,
        **({"default": True} if name == "pairs" else {}),
        # Names of its own are read only where they are told
        **({"metadata_filenames": [METADATA[name]]} if name == "twins" else {}),
        # Or VideoFolder may take the folders' names (vanilla, noisy) for class labels.
        "drop_labels": True,
        "data_files": [
            {
                "split": split,
                "path": [f"{split}/{METADATA[name]}", *(f"{split}/{pattern}" for pattern in videos)],
            }
            for split in splits
        ],
    }


def _info(name: str, splits: Mapping[str, Mapping[str, Any]], altered: bool) -> DatasetInfo:
    rows = "twins" if name == "twins" else "rows"
    return DatasetInfo(
        config_name=name,
        features=features(name, altered),
        splits=SplitDict.from_split_dict(
            [
                {"name": split, "num_examples": counts[rows], "num_bytes": counts["table_bytes"]}
                for split, counts in splits.items()
            ]
        ),
        download_size=sum(counts["file_bytes"][name] for counts in splits.values()),
        dataset_size=sum(counts["table_bytes"] for counts in splits.values()),
    )

"""`OcrVsi`: the data set as a `datasets` builder, for those who want it built and cached in one go."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import pyarrow.dataset
from datasets.builder import Key

from ocr_hf.data.build_config import SPLITS, BuildConfig
from ocr_hf.data.build_folder import build_folder
from ocr_hf.data.build_plan import plan_scenes
from ocr_hf.data.schema import CONFIGS, FORMAT_VERSION, METADATA, configs_of, features, splits_of

_VERSION = datasets.Version(f"{FORMAT_VERSION}.0.0")


@dataclass
class OcrVsiConfig(datasets.BuilderConfig):
    """Which rows of which build `OcrVsi` gives; its `name` is "pairs", "recipes" or "twins".

    Args:
        build: what to build; None builds `BuildConfig()`.
        folder: where the videos and the publishable folder go.
    """

    build: BuildConfig | None = None
    folder: str = "ocr-vsi"


class OcrVsi(datasets.GeneratorBasedBuilder):
    """Walk-through videos with 3D boxes, questions and region-noisy copies for Object-Centric 3D Rollout (OCR).

    The folder is built (or continued) first, as `build_folder` does, on `num_proc` spawned workers: it is what other
    builders download. Then its rows are read, sharded by scene. `load_dataset(folder)` reads the same rows.

    Args:
        *args: as of `datasets.DatasetBuilder`.
        **kwargs: as of `datasets.DatasetBuilder`, and the fields of `OcrVsiConfig`: `config_name` is "pairs" (vanilla
            and noisy video), "recipes" (vanilla video and footprints) or "twins" (vanilla and edited video), `build`
            what to build, `folder` where.

    Example:
        >>> from ocr_hf import BuildConfig, OcrVsi
        >>> config = BuildConfig(scenes=1, rooms=1, frames=8, width=64, height=48, seed=7)
        >>> builder = OcrVsi(config_name="pairs", build=config, folder="rooms")
        >>> builder.download_and_prepare()
        >>> builder.as_dataset(split="train").column_names[:3]
        ['id', 'dataset', 'scene_name']
    """

    VERSION = _VERSION
    BUILDER_CONFIG_CLASS = OcrVsiConfig
    BUILDER_CONFIGS = [OcrVsiConfig(name=name, version=_VERSION) for name in CONFIGS]
    DEFAULT_CONFIG_NAME = "pairs"
    DEFAULT_WRITER_BATCH_SIZE = 100

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("dataset_name", "ocr_vsi")
        super().__init__(*args, **kwargs)

    def _info(self) -> datasets.DatasetInfo:
        return datasets.DatasetInfo(
            description="Vanilla and region-noisy videos of 3D scenes with VSI-Bench questions (OCR is Object-Centric "
            "3D Rollout, arXiv 2511.13190, not text recognition).",
            features=features(self.config.name, bool(self.config.build and self.config.build.variants)),
        )

    def _split_generators(self, dl_manager: datasets.DownloadManager) -> list[datasets.SplitGenerator]:
        # Absolute: rows hold paths, and datasets' cache outlives the working directory.
        config, folder = self.config.build or BuildConfig(), Path(self.config.folder).absolute()
        manifest = build_folder(config, folder, num_proc=dl_manager.download_config.num_proc or 1, resume=True)
        if self.config.name not in configs_of(manifest):
            raise ValueError(f"{folder} has no config '{self.config.name}': give `build` twins=1 or more")
        names = {split: [scene.name for scene in plan_scenes(config) if scene.split == split] for split in SPLITS}
        return [
            datasets.SplitGenerator(name=split, gen_kwargs={"folder": str(folder / split), "scenes": names[split]})
            for split in splits_of(manifest, self.config.name)
        ]

    def _generate_examples(self, folder: str, scenes: list[str]) -> Iterator[tuple[Key, dict[str, Any]]]:
        metadata = Path(folder) / METADATA[self.config.name]
        table = pyarrow.dataset.dataset(metadata)
        for shard, scene in enumerate(scenes):
            rows = (
                row
                for batch in table.to_batches(filter=pyarrow.dataset.field("scene_name") == scene)
                for row in batch.to_pylist()
            )
            for number, row in enumerate(rows):
                # A list, because the row changes within the loop.
                for name in [key for key in row if key.endswith("_file_name")]:
                    row[name.removesuffix("_file_name")] = str(metadata.parent / row.pop(name))
                for name in [key for key in row if key.endswith("_file_names")]:
                    row[name.removesuffix("_file_names")] = [str(metadata.parent / file) for file in row.pop(name)]
                yield Key(shard, number), row

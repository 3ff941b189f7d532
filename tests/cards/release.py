"""A folder like that of the released checkpoint: a real small model, and what its training and evaluation leave."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from ocr_hf.models.tiny import build_tiny
from ocr_hf.models.usage import Usage, write_usage
from ocr_hf.vsi_bench.provenance import model_revision
from tests.cards.measured import make_results
from tests.hub.folders import make_dataset

NAME = "ocr-vsi-tiny"
REPO = f"org/{NAME}"
FRAMES = 8


def make_release(root: Path, max_pixels: int | None = None) -> dict[str, list[Path]]:
    """Folders by option of `ocr-hf card`; `model` has one.

    max_pixels : that the evaluation was run with, None as the model's processor
    """
    model = build_tiny(root / "model_cards" / NAME, "0.2M", seed=3)
    write_usage(model, Usage(FRAMES, "official", 112 * 84))
    data = [make_dataset(root / "train" / str(seed), clips=2) for seed in (11, 12)]
    rng = np.random.Generator(np.random.Philox(5))
    places = {name: root / "results" / name / "rooms" for name in (NAME, "sft", "text-only")}
    runs = {name: _evaluation(place, rng, model, max_pixels) for name, place in places.items()}
    stages = [_stage(root / name, name, rng) for name in ("sft", "grpo")]
    return {
        "model": [model],
        "results": [runs[NAME]],
        "compare": [runs["sft"], runs["text-only"]],
        "training": stages,
        "data": data,
    }


def as_options(release: dict[str, list[Path]]) -> list[str]:
    """The command line of `ocr-hf card` for a release."""
    named = [(name, path) for name, paths in release.items() if name != "model" for path in paths]
    return ["card", str(release["model"][0]), "--repo", REPO, *(word for name, path in named for word in (f"--{name}", str(path)))]  # fmt: skip  # noqa: E501


def _evaluation(out: Path, rng: np.random.Generator, model: Path, max_pixels: int | None) -> Path:
    results = make_results(rng)
    revision = model_revision(SimpleNamespace(source=str(model), revision=None, model=None))
    results["settings"] |= {
        "model": f"model_cards/{out.parent.name}",
        "model_revision": revision if out.parent.name == NAME else "blake2b:another",
        "data": "outputs/ocr-vsi-test/rooms",
        "data_revision": "format 1, blake2b:77",
        "frames": FRAMES,
        "max_pixels": max_pixels,
        "min_pixels": None,
        "frame_pixels": {"shortest_edge": 784, "longest_edge": 12_544},
        "parameters": 180_224,
    }
    out.mkdir(parents=True)
    (out / "results.json").write_text(json.dumps(results))
    return out


def _stage(folder: Path, name: str, rng: np.random.Generator) -> Path:
    """training.json and log.jsonl as the recipe of ocr-vsi-tiny writes them."""
    from dataclasses import asdict

    from recipes.ocr_vsi_tiny.config import RecipeConfig

    folder.mkdir(parents=True)
    measure = "reward" if name == "grpo" else "loss"
    lines = [{"step": step, "seconds": 1.5 * step, measure: float(rng.random())} for step in (25, 50, 75)]
    lines[0]["held_out"], lines[-1]["held_out"] = 21.37, 48.62
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    told = {"stage": name, "seconds": 3721.4, "threads": 2, "parameters": 180_224, "config": asdict(RecipeConfig())}
    told |= {"questions": 3210} if name == "grpo" else {"clips": 1160}
    (folder / "training.json").write_text(json.dumps({**told, "last": lines[-1]}))
    return folder


def without(model: Path, out: Path, *names: str) -> Path:
    """A copy of a model's folder without some files."""
    return Path(shutil.copytree(model, out, ignore=shutil.ignore_patterns(*names)))

"""A model folder with a training run and an evaluation, measured by a random generator."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import yaml

from ocr_hf.vsi_bench.provenance import model_revision
from ocr_hf.vsi_bench.tasks import TASKS
from tests.hub.folders import make_model


def make_measured(
    root: Path, data: str = "org/ocr-vsi", commit: str | None = "c" * 40, seed: int = 0
) -> dict[str, Path]:
    """Folders `model` (with resolved_config.yaml and a checkpoint's state), `sft` and `evaluation`."""
    rng = np.random.Generator(np.random.Philox(seed))
    model = make_model(root / "model")
    _write_stage(
        model, {"strategy": "ocr", "num_generations": 8, "num_noisy": 4, "select": "visible", "max_objects": 3}, rng
    )
    sft = root / "sft"
    sft.mkdir()
    _write_stage(sft, {}, rng)
    evaluation = root / "evaluation"
    evaluation.mkdir()
    results = make_results(rng)
    revision = model_revision(SimpleNamespace(source=str(model), revision=None, model=None))
    results["settings"] |= {"model": str(model), "model_revision": revision, "data": data}
    results["settings"]["data_revision"] = commit or "format 1, blake2b:77"
    (evaluation / "results.json").write_text(json.dumps(results))
    return {"model": model, "sft": sft, "evaluation": evaluation}


def _write_stage(folder: Path, training: dict, rng: np.random.Generator) -> None:
    config = {
        "data": {"data": "org/ocr-vsi", "data_revision": "v3", "data_config": "recipes", "split": "train"},
        "model": {"model": "/home/someone/models/tiny", "revision": "main", "use_peft": False},
        "training": {
            "learning_rate": 3e-6,
            "frames": 16,
            "seed": 42,
            "loss_type": "dapo",
            "beta": 0.04,
            **training,
        },
    }
    (folder / "resolved_config.yaml").write_text(yaml.safe_dump(config))
    measure = "reward" if training else "loss"
    log = [{"step": step, measure: float(rng.random())} for step in (1, 2, 5)] + [{"step": 5, "train_runtime": 3.2}]
    (folder / "checkpoint-5").mkdir()
    (folder / "checkpoint-5" / "trainer_state.json").write_text(json.dumps({"global_step": 5, "log_history": log}))


def make_results(rng: np.random.Generator) -> dict:
    """results.json of `ocr-hf eval`, with different figures wherever one can be."""

    def score() -> float:
        return float(rng.uniform(10, 90))

    def entry() -> dict:
        return {
            "score": score(),
            "interval": sorted([score(), score()]),
            "n": int(rng.integers(10, 900)),
            "n_unparsed": 0,
        }

    audit = {"macro": score(), "vanilla_macro": score(), "difference": -score(), "n": int(rng.integers(10, 900))}
    return {
        "format_version": 1,
        "overall": score(),
        "average": "macro",
        "extraction": "official",
        "clustered_by": "scene",
        "interval": {"macro": sorted([score(), score()]), "micro": [0.0, 0.0]},
        "n": 4321,
        "n_scenes": 57,
        "n_unparsed": 19,
        "tasks": {task.name: entry() for task in TASKS},
        "references": {"random": {"macro": score(), "micro": score(), "tasks": {task.name: score() for task in TASKS}}},
        "audits": {"queried_noised": {**audit, "difference_interval": sorted([score(), score()])}},
        "query_lock": {
            "n": 311,
            "index": score(),
            "interval": sorted([score(), score()]),
            "change_queried": score(),
            "change_context": score(),
            "tasks": {},
        },
        "settings": {
            "split": "test",
            "frames": 24,
            "prompt": "official",
            "max_new_tokens": 16,
            "dtype": "bfloat16",
            "parameters": 3_754_622_976,
            "libraries": {"ocr-hf": "0.1.0", "transformers": "5.23.0", "torch": "2.13.0"},
        },
    }

"""Stages of training as the card shows them: settings and curves, from the files that a run leaves.

Two kinds: runs of the TRL trainers (`resolved_config.yaml`, `trainer_state.json`), and of the recipe
`ocr_vsi_tiny` (`training.json`, `log.jsonl`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ocr_hf.cards.source_files import CardInputs
from ocr_hf.cards.sourced import Figure, Literal, Renderer, Sourced

RESOLVED, STATE = "resolved_config.yaml", "trainer_state.json"
TRAINING, LOG = "training.json", "log.jsonl"

Places = tuple[tuple[str, ...], ...]
TRL_ROWS: dict[str, Places] = {
    # Second names are those of runs before version 0.2; a file has either
    "data": (
        *(("data", name) for name in ("data", "dataset", "data_revision", "dataset_revision")),
        *(("data", name) for name in ("data_config", "dataset_config", "split")),
    ),
    "prompt": (("data", "prompt"), ("data", "prompt_style")),
    "strategy": (("training", "strategy"),),
    "rollouts per prompt": (("training", "num_generations"),),
    "of them noisy": (("training", "num_noisy"),),
    "scored under": (("training", "score_under"),),
    "objects perturbed": (("training", "select"), ("training", "max_objects")),
    "noise": (("training", "mode"), ("training", "strength"), ("training", "schedule")),
    "loss": (("training", "loss_type"),),
    "KL weight": (("training", "beta"),),
    "learning rate": (("training", "learning_rate"),),
    "batch per device": (("training", "per_device_train_batch_size"),),
    "gradient accumulation": (("training", "gradient_accumulation_steps"),),
    "frames": (("training", "frames"), ("training", "num_frames")),
    "pixels of a frame": (("training", "min_pixels"), ("training", "max_pixels")),
    "vision tower frozen": (("training", "freeze_vision"),),
    "LoRA": (("model", "use_peft"),),
    "LoRA rank": (("model", "lora_r"),),
    "seed": (("training", "seed"),),
}
"""Row of the training table -> where its values are in resolved_config.yaml; what is missing or null is left out."""
ONLY_OCR = ("objects perturbed", "noise")
_COST: dict[str, Places] = {
    "seconds, on processor threads": (("seconds",), ("threads",)),
    "seed": (("config", "seed"),),
}
_SFT: dict[str, Places] = {
    "clips": (("clips",),),
    "steps that teach seeing": (("config", "first_steps"),),
    "steps that teach to look up what is named": (("config", "named_steps"),),
    "steps that teach to relate what is named, lower layers frozen": (("config", "related_steps"),),
    "steps that teach to answer, lower layers frozen": (("config", "sft_steps"),),
    "clips per step": (("config", "clips_per_step"),),
    "questions per clip and step while looking up": (("config", "questions_per_clip"),),
    "questions per clip and step from then on": (("config", "related_questions"),),
    "learning rate": (("config", "learning_rate"),),
    "learning rate of the last steps": (("config", "sft_learning_rate"),),
    "weight decay": (("config", "weight_decay"),),
    "weight of the dense supervision, categories": (("config", "category_weight"),),
    "weight of the dense supervision, places": (("config", "place_weight"),),
    "frames": (("config", "num_frames"),),
    **_COST,
}
REFERENCE_ROWS: dict[str, tuple[str, Mapping[str, Places]]] = {
    "sft": ("Supervised fine-tuning with dense supervision from the scenes", _SFT),
    "text-only": ("Supervised fine-tuning without video", _SFT),
    "grpo": (
        "Reinforcement learning",
        {
            "strategy": (),
            "questions": (("questions",),),
            "steps": (("config", "grpo_steps"),),
            "rollouts per question": (("config", "grpo_generations"),),
            "rollouts per micro-batch": (("config", "grpo_batch"),),
            "micro-batches per step": (("config", "grpo_accumulation"),),
            "learning rate": (("config", "grpo_learning_rate"),),
            "KL weight": (("config", "grpo_beta"),),
            "frames": (("config", "num_frames"),),
            **_COST,
        },
    ),
}
"""Stage of the recipe `ocr_vsi_tiny` -> its title, and row of the table -> where its values are in training.json."""


def is_ocr(config: Sourced) -> bool:
    """Whether a stage trained with Object-Centric 3D Rollout."""
    strategy, stage = config.get("training", "strategy"), config.get("stage")
    return getattr(strategy, "value", None) == "ocr" or getattr(stage, "value", None) == "grpo"


def stage(inputs: CardInputs, config: Sourced, log: Sourced | None, renderer: Renderer) -> dict[str, Any]:
    """One stage of training: its settings and how its reward, loss and score went."""
    kind = config.get("stage")
    if kind is not None:
        title, places = REFERENCE_ROWS.get(kind.value, (kind, _SFT))
        rows = _rows(config, places, renderer, inputs)
        if kind.value == "grpo":
            rows.insert(0, {"label": "strategy", "parts": [Literal("ocr: half of the rollouts see a noisy video")]})
        entries = list(log or ())
        steps = entries[-1].get("step") if entries else None
    else:
        strategy, peft = config.get("training", "strategy"), config.get("model", "use_peft")
        left_out = () if strategy and strategy.value == "ocr" else ONLY_OCR
        left_out += () if peft and peft.value else ("LoRA rank",)
        places = {label: where for label, where in TRL_ROWS.items() if label not in left_out}
        title = "Reinforcement learning" if strategy else "Supervised fine-tuning"
        rows = _rows(config, places, renderer, inputs)
        entries = [entry for entry in (log.get("log_history") if log else None) or () if "step" in entry]
        steps = log.get("global_step") if log else None
    return {"title": title, "rows": rows, "steps": steps, "curves": _curves(entries)}


def _rows(config: Sourced, places: Mapping[str, Places], renderer: Renderer, inputs: CardInputs) -> list[dict]:
    rows = []
    for label, where in places.items():
        found = [last_part(config.get(*place), inputs.datasets) for place in where]
        parts = [renderer.listed(item) for item in found if item is not None]
        if parts:
            rows.append({"label": label, "parts": parts})
    return rows


def _curves(entries: Iterable[Sourced]) -> list[dict[str, Any]]:
    """Reward (or loss) and held-out score at the first and the last step that logged one."""
    logged = list(entries)
    measure = "reward" if any("reward" in entry for entry in logged) else "loss"
    curves = []
    for name, title in ((measure, measure.capitalize()), ("held_out", "Held-out score")):
        own = [entry for entry in logged if entry.get(name) is not None]
        if own:
            first, last = own[0], own[-1]
            ends = {"first": first[name], "first_step": first["step"], "last": last[name], "last_step": last["step"]}
            curves.append({"title": title, **ends})
    return curves


def last_part(figure: Any, hub_ids: tuple[str, ...] = ()) -> Any:
    """Return a figure; of a local path only the last part, since the rest says nothing to others."""
    if isinstance(figure, Figure) and isinstance(figure.value, str) and figure.value not in hub_ids:
        name = figure.value.replace("\\", "/").rstrip("/").rpartition("/")[2]
        return figure if name == figure.value else Literal(name)
    return figure

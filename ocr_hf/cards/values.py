"""What the template of a model card shows, as values that know their source file."""

from __future__ import annotations

from typing import Any

from ocr_hf.cards.sourced import Figure, Literal, Renderer, Shown, Sourced
from ocr_hf.cards.sources import CardInputs, is_commit
from ocr_hf.vsi_bench.prompts import build_prompt
from ocr_hf.vsi_bench.tasks import TASKS

SMALL = 100_000_000
"""Parameters below which a model is called a small reference checkpoint."""
AUDITS = {
    "text_only": "no video",
    "black": "black frames",
    "shuffled": "frames in random order",
    "queried_erased": "queried objects erased",
    "queried_noised": "queried objects noised",
    "context_noised": "as many context pixels noised",
}
STAGE_ROWS: dict[str, tuple[tuple[str, str], ...]] = {
    "data": (("data", "dataset"), ("data", "dataset_revision"), ("data", "dataset_config"), ("data", "split")),
    "prompt": (("data", "prompt_style"),),
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
    "frames": (("training", "num_frames"),),
    "pixels of a frame": (("training", "min_pixels"), ("training", "max_pixels")),
    "vision tower frozen": (("training", "freeze_vision"),),
    "LoRA": (("model", "use_peft"),),
    "LoRA rank": (("model", "lora_r"),),
    "seed": (("training", "seed"),),
}
"""Row of the training table -> where its values are in resolved_config.yaml; what is missing or null is left out."""
ONLY_OCR = ("objects perturbed", "noise")
SETTINGS = (
    "split",
    "limit",
    "frames",
    "min_pixels",
    "max_pixels",
    "prompt",
    "max_new_tokens",
    "dtype",
    "data_revision",
)
"""Of results.json: without these a score means nothing."""


def identity(
    inputs: CardInputs, given: Sourced, renderer: Renderer, results: list[Sourced], configs: list[Sourced]
) -> dict[str, Any]:
    """Names, base model, size, method; `given` are the inputs as sourced values."""
    settings = results[0].settings if results else None
    parameters = settings.get("parameters") if settings else None
    libraries = settings.get("libraries") if settings else None
    names = [name for name in ("ocr-hf", "transformers", "torch") if libraries and name in libraries]
    versions = [Shown(f"{name} {renderer.show(libraries[name])}") for name in names]
    base = Literal("a small Qwen-VL with random weights, made by `ocr-hf tiny-model`")
    if inputs.base_model:
        base = renderer.listed(given.base_model, *([given.base_revision] if inputs.base_revision else []))
    return {
        "repo": given.repo,
        "revision": given.revision,
        "adapter": inputs.adapter,
        "trained_with_ocr": any(plain(config.get("training", "strategy")) == "ocr" for config in configs),
        "base": base,
        "base_id": given.base_model,
        "base_revision": given.base_revision or "main",
        "datasets": renderer.listed(*given.datasets) if inputs.datasets else Literal("a local data set"),
        "parameters": parameters,
        "small": parameters is not None and parameters.value < SMALL,
        "toolkit": renderer.listed(*versions) if versions else Literal("ocr-hf"),
    }


def snippet(results: list[Sourced], configs: list[Sourced]) -> dict[str, Any]:
    """Prompt, frames and length of answer: as the model was evaluated, else as it was trained."""
    row = {"question_type": "object_counting", "question": "How many chair(s) are in this room?"}
    style = frames = longest = None
    if results:
        settings = results[0].settings
        style, frames, longest = (settings.get(name) for name in ("prompt", "frames", "max_new_tokens"))
    elif configs:
        training = configs[-1].get("training")
        style = configs[-1].get("data", "prompt_style")
        frames, longest = (training.get(name) if training else None for name in ("num_frames", "max_completion_length"))
    return {
        "question": Literal(build_prompt(row, style.value if style else "official")),
        "frames": frames or Literal("32"),
        "max_new_tokens": longest or Literal("64"),
    }


def stage(inputs: CardInputs, config: Sourced, state: Sourced | None, renderer: Renderer) -> dict[str, Any]:
    """One stage of training: its settings and how its reward or loss went."""
    strategy = config.get("training", "strategy")
    left_out = () if strategy and strategy.value == "ocr" else ONLY_OCR
    peft = config.get("model", "use_peft")
    if not (peft and peft.value):
        left_out += ("LoRA rank",)
    rows = []
    for label, places in STAGE_ROWS.items():
        found = [_shown(config.get(*place), inputs.datasets) for place in places if label not in left_out]
        parts = [renderer.listed(item) for item in found if item is not None]
        if parts:
            rows.append({"label": label, "parts": parts})
    title = "Reinforcement learning" if strategy else "Supervised fine-tuning"
    return {"title": title, "rows": rows, "state": _progress(state) if state else None}


def _progress(state: Sourced) -> dict[str, Any]:
    """Number of steps, and the reward (or loss) at the first and the last step that logged one."""
    logged = [entry for entry in state.get("log_history") or () if "step" in entry]
    measure = "reward" if any("reward" in entry for entry in logged) else "loss"
    entries = [entry for entry in logged if entry.get(measure) is not None]
    progress: dict[str, Any] = {"steps": state.global_step, "measure": measure.capitalize(), "first": None}
    for name, entry in zip(("first", "last"), (entries[0], entries[-1]) if entries else (), strict=False):
        progress |= {name: entry[measure], f"{name}_step": entry["step"]}
    return progress


def evaluation(results: Sourced, renderer: Renderer) -> dict[str, Any]:
    """One run of `ocr-hf eval`."""
    average = results.average.value
    chance = results.get("references", "random")
    lock = results.get("query_lock")
    settings = [(name.replace("_", " "), results.settings.get(name)) for name in SETTINGS]
    return {
        "results": results,
        "data": data_name(results),
        "interval": results.get("interval", average),
        "chance": chance.get(average) if chance else None,
        "tasks": [_task(results.tasks[task.name], task, chance) for task in TASKS if task.name in results.tasks],
        "settings": [{"label": name, "value": renderer.listed(value)} for name, value in settings if value is not None],
        "audits": [{"title": AUDITS.get(name, name), "entry": results.audits[name]} for name in results.audits.keys()],  # noqa: SIM118
        "lock": lock if lock and lock.get("index") is not None else None,
    }


def _task(entry: Sourced, task: Any, chance: Sourced | None) -> dict[str, Any]:
    return {
        "title": Literal(task.title),
        "score": entry.score,
        "interval": entry.get("interval"),
        "n": entry.n,
        "chance": chance.get("tasks", task.name) if chance else None,
    }


def data_name(results: Sourced) -> Any:
    """What was evaluated on: a Hub id, or the name of a folder, of which nobody needs to know where it was."""
    figure = results.settings.data
    return figure if is_commit(plain(results.settings.get("data_revision"))) else _shown(figure, ())


def _shown(figure: Any, hub_ids: tuple[str, ...]) -> Any:
    """A figure, or the last part of a path."""
    if isinstance(figure, Figure) and isinstance(figure.value, str) and figure.value not in hub_ids:
        name = figure.value.replace("\\", "/").rstrip("/").rpartition("/")[2]
        return figure if name == figure.value else Literal(name)
    return figure


def plain(figure: Any) -> Any:
    """The value of a figure."""
    return figure.value if isinstance(figure, Figure) else figure

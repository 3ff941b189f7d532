"""LoRA adapters: found by their file, read from safetensors alone, merged into their base or kept beside it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ocr_hf.models.model_files import ModelLoadError, model_file

if TYPE_CHECKING:
    from transformers import PreTrainedModel

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"


def without_adapter(model: Any) -> Any:
    """Return the transformers model inside a `PeftModel`, and any other model as it is."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def adapter_base(source: str, revision: str | None = None) -> tuple[str, str | None] | None:
    """Return (base model, its revision) of an adapter, None where the source is no adapter.

    Raises ModelLoadError for an adapter that can't be read, names no base, or whose weights are not safetensors.
    """
    path = model_file(source, CONFIG, revision)
    if path is None:
        return None
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ModelLoadError(
            f"the adapter '{source}' has a {CONFIG} that is not JSON ({error}); save it with `save_pretrained`"
        ) from error
    config = config if isinstance(config, dict) else {}
    base, base_revision = config.get("base_model_name_or_path"), config.get("revision")
    if not base:
        raise ModelLoadError(
            f"the adapter '{source}' does not name its base model; set base_model_name_or_path in {CONFIG}"
        )
    for name, value in (("base_model_name_or_path", base), ("revision", base_revision)):
        if not isinstance(value, str | None):
            raise ModelLoadError(
                f"the adapter '{source}' names its base model by {value!r}, which is no text; correct {name} in "
                f"{CONFIG}"
            )
    if model_file(source, WEIGHTS, revision) is None:  # peft would go on to a pickle
        raise ModelLoadError(
            f"the adapter '{source}' has no {WEIGHTS}, and other weights are not read; save it with `save_pretrained`"
        )
    return base, base_revision


def apply_adapter(model: PreTrainedModel, source: str, revision: str | None = None, merge: bool = True):
    """Return the base model with an adapter on it.

    merge : add the adapter to the base's weights (as fast as a full model, no peft needed afterwards) and return that
        model; else return a `PeftModel`, whose adapter can be switched off
    Raises ModelLoadError for the adapter of another model.
    """
    from peft import PeftModel

    try:
        # safe_merge below refuses an adapter whose sum with the base is not finite
        tuned = PeftModel.from_pretrained(model, source, revision=revision, use_safetensors=True)
    except (RuntimeError, ValueError) as error:  # other shapes, other names of layers
        raise ModelLoadError(
            f"the adapter '{source}' doesn't fit the base that it names, a {type(model).__name__} "
            f"({str(error).strip().splitlines()[-1].strip()}); give the one that it was trained on"
        ) from error
    return tuned.merge_and_unload(safe_merge=True) if merge else tuned

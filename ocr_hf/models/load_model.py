"""Load a video language model and its processor: safetensors only, never code from a model repository."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ocr_hf.models.adapters import adapter_base, apply_adapter
from ocr_hf.models.errors import ModelLoadError, why_unreachable
from ocr_hf.models.media import check_video_processor

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, ProcessorMixin

FAMILIES = ("qwen2_5_vl", "qwen3_vl")
"""Model types whose video path is tested here."""


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A model in evaluation mode, its processor, and where it came from."""

    model: PreTrainedModel
    processor: ProcessorMixin
    source: str
    revision: str | None

    @property
    def device(self) -> torch.device:
        return self.model.device


def load_model(
    source: str | Path,
    revision: str | None = None,
    *,
    dtype: str = "auto",
    device: str | torch.device | None = None,
    attn_implementation: str | None = None,
    families: Sequence[str] | None = FAMILIES,
    merge_adapter: bool = True,
) -> LoadedModel:
    """Load a model for inference by Hub id or folder; a folder or repository with a LoRA adapter loads its base too.

    revision : branch, tag or commit of the Hub repository
    dtype : "auto", "float32", "bfloat16" or "float16"
    device : None = CUDA where there is one, else CPU
    families : model types to accept; None = every image-and-text-to-text model, as evaluation does
    merge_adapter : add a LoRA adapter to its base's weights, or keep it beside them (a `PeftModel`)
    Raises ModelLoadError in one sentence for a missing model, weights that are not safetensors, a model family that
    is not supported, and a processor without video.
    """
    import torch
    from transformers import AutoModelForImageTextToText

    source = str(source)
    base, base_revision = adapter_base(source, revision) or (source, revision)
    check_config(base, base_revision, families)
    processor = load_processor(base, base_revision)
    arguments: dict[str, Any] = {"attn_implementation": attn_implementation} if attn_implementation else {}
    try:
        model = AutoModelForImageTextToText.from_pretrained(
            base, revision=base_revision, dtype=dtype, use_safetensors=True, trust_remote_code=False, **arguments
        )
    except OSError as error:
        raise ModelLoadError(
            why_unreachable(base, base_revision, error)
            or f"'{base}' has no weights in safetensors format, and others are not read ({_first_line(error)}); "
            "convert it with `model.save_pretrained`"
        ) from error
    if base != source:
        model = apply_adapter(model, source, revision, merge_adapter)
    model.to(device if device is not None else "cuda" if torch.cuda.is_available() else "cpu").eval()
    return LoadedModel(model, processor, source, revision)


def load_processor(source: str | Path, revision: str | None = None) -> ProcessorMixin:
    """Load a model's processor, padding on the left; raise ModelLoadError where there is none or it lacks video."""
    from transformers import AutoProcessor

    try:
        processor = AutoProcessor.from_pretrained(
            str(source), revision=revision, padding_side="left", trust_remote_code=False
        )
    except (OSError, ValueError) as error:
        raise ModelLoadError(
            why_unreachable(str(source), revision, error)
            or f"'{source}' has no processor that can be loaded ({_first_line(error)}); name a repository or folder "
            "that holds its tokenizer and preprocessor files"
        ) from error
    try:
        check_video_processor(processor)
    except ValueError as error:
        raise ModelLoadError(f"'{source}': {error}") from None
    return processor


def check_config(source: str | Path, revision: str | None = None, families: Sequence[str] | None = FAMILIES) -> Any:
    """Return a model's configuration; raise ModelLoadError where it is missing or of a family that is not supported."""
    from transformers import AutoConfig
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES

    try:
        config = AutoConfig.from_pretrained(str(source), revision=revision, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise ModelLoadError(
            why_unreachable(str(source), revision, error)
            or f"there is no model at '{source}' ({_first_line(error)}); give a Hub id, as in "
            "'Qwen/Qwen2.5-VL-3B-Instruct', or a folder with a config.json"
        ) from error
    if families is None and config.model_type not in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES:
        raise ModelLoadError(
            f"'{source}' is a model of type '{config.model_type}', which transformers does not load for image and text "
            "to text; use a video language model"
        )
    if families is not None and config.model_type not in families:
        raise ModelLoadError(
            f"'{source}' is a model of type '{config.model_type}', whose video input is not supported; "
            f"use one of {', '.join(families)}"
        )
    return config


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")

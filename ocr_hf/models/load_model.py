"""Load a video language model and its processor: safetensors only, never code from a model repository."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ocr_hf.models import branch_attention
from ocr_hf.models.adapters import adapter_base, apply_adapter
from ocr_hf.models.families import family_of, trainable_family
from ocr_hf.models.media import check_video_processor
from ocr_hf.models.model_files import ModelLoadError, import_transformers, why_unreachable
from ocr_hf.registry import load_plugins

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, ProcessorMixin


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
    merge_adapter: bool = True,
    needs_video: bool = True,
) -> LoadedModel:
    """Load a video language model for inference, from the Hub or a folder; with a LoRA adapter its base too.

    Only weights in safetensors format are read, and no code from a model repository is run.

    Args:
        source: Hub id ("Qwen/Qwen2.5-VL-3B-Instruct") or folder.
        revision: branch, tag or commit of the Hub repository.
        dtype: "auto" (as stored), "float32", "bfloat16" or "float16".
        device: "cuda", "cuda:1", "cpu" ...; None = CUDA where there is one, else CPU.
        attn_implementation: as in transformers, or `flex_for_branches`, flex attention where a shared prompt's
            completions are scored; None = transformers' choice.
        merge_adapter: add a LoRA adapter to its base's weights, or keep it beside them (a `PeftModel`).
        needs_video: refuse a model whose processor takes images only.

    Returns:
        Model in evaluation mode, processor (padding on the left), source and revision.

    Raises:
        ModelLoadError: there is no such model, its weights are not safetensors, it takes no images and text, or its
            processor has no video; the message says what to do.

    Example:
        >>> from ocr_hf import load_model
        >>> from ocr_hf.models.tiny import build_tiny
        >>> loaded = load_model(build_tiny("untrained", "0.2M"), device="cpu")
        >>> type(loaded.model).__name__, loaded.model.training
        ('Qwen2_5_VLForConditionalGeneration', False)
    """
    import torch

    import_transformers()
    from transformers import AutoModelForImageTextToText

    source = str(source)
    base, base_revision = adapter_base(source, revision) or (source, revision)
    # Configuration and processor first: what is wrong with them shows before weights are downloaded
    try:
        config = check_config(base, base_revision)
    except ModelLoadError as error:
        if base == source:
            raise
        raise ModelLoadError(
            f"the adapter '{source}' names a base that can't be loaded: {error}; where it was deleted, put the name of "
            "a copy of the same weights into adapter_config.json (base_model_name_or_path)"
        ) from error
    processor = load_processor(base, base_revision, config, needs_video)
    if attn_implementation == branch_attention.NAME:
        branch_attention.register()
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


def load_processor(
    source: str | Path, revision: str | None = None, config: Any = None, needs_video: bool = True
) -> ProcessorMixin:
    """Load a model's processor, padding on the left.

    config : the model's configuration, with which the processor must agree; None = don't check
    needs_video : refuse a processor that takes images only
    Raises ModelLoadError where there is none, it lacks video, or one of the family's checks finds something.
    """
    import_transformers()
    from transformers import AutoProcessor

    try:
        processor = AutoProcessor.from_pretrained(
            str(source), revision=revision, padding_side="left", trust_remote_code=False
        )
    except ImportError as error:
        # Some processors need a package that nothing else does, as SmolVLM's does num2words
        raise ModelLoadError(
            f"the processor of '{source}' needs more than is installed: {_first_line(error)}"
        ) from error
    except (OSError, ValueError) as error:
        raise ModelLoadError(
            why_unreachable(str(source), revision, error)
            or f"'{source}' has no processor that can be loaded ({_first_line(error)}); name a repository or folder "
            "that holds its tokenizer and preprocessor files"
        ) from error
    try:
        if needs_video or getattr(processor, "image_processor", None) is None:
            check_video_processor(processor)
    except ValueError as error:
        raise ModelLoadError(f"'{source}': {error}") from None
    for check in family_of(config).checks if config is not None else ():
        wrong = check(config, processor)
        if wrong is not None:
            raise ModelLoadError(f"'{source}': {wrong}")
    return processor


def check_config(source: str | Path, revision: str | None = None, training: bool = False) -> Any:
    """Return a model's configuration.

    training : it is to be trained, which only some families can be
    Raises ModelLoadError where it is missing, or of a type that can't be loaded or trained.
    """
    import_transformers()
    from transformers import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING, AutoConfig

    load_plugins()  # they may register model types with transformers

    try:
        config = AutoConfig.from_pretrained(str(source), revision=revision, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise ModelLoadError(
            why_unreachable(str(source), revision, error)
            or f"there is no model at '{source}' ({_first_line(error)}); give a Hub id, as in "
            "'Qwen/Qwen2.5-VL-3B-Instruct', or a folder with a config.json"
        ) from error
    if type(config) not in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING:
        raise ModelLoadError(
            f"'{source}' is a model of type '{config.model_type}', which transformers does not load for image and text "
            "to text; use a video language model"
        )
    if training:
        try:
            trainable_family(config)
        except ValueError as error:
            raise ModelLoadError(f"'{source}': {error}") from None
    return config


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")

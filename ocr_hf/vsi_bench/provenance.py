"""What a score depends on besides the settings: revisions, library versions, the device, the model's own defaults."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ocr_hf.models.adapters import adapter_base
from ocr_hf.models.encoders import frames_as_for
from ocr_hf.vsi_bench.model_hash import folder_hash

if TYPE_CHECKING:
    from ocr_hf.models.endpoint import EndpointModel
    from ocr_hf.models.load_model import LoadedModel

LIBRARIES = (
    "ocr-hf", "torch", "torchvision", "transformers", "tokenizers", "peft", "accelerate", "numpy", "pillow", "av",
    "opencv-python-headless", "datasets",
)  # fmt: skip
"""What touches frames, tokens or numbers on the way from a video to an answer."""


def model_revision(loaded: LoadedModel) -> str:
    """Return the commit of a model from the Hub, or a hash of all bytes of a folder's weights and configuration."""
    folder = Path(loaded.source)
    return folder_hash(folder) if folder.is_dir() else _commit_in_cache(loaded.source, loaded.revision)


def base_revision(loaded: LoadedModel) -> str | None:
    """Return the same of the model that an adapter was put on; None where the model is no adapter."""
    base = adapter_base(loaded.source, loaded.revision)
    if base is None:
        return None
    return folder_hash(Path(base[0])) if Path(base[0]).is_dir() else _commit_in_cache(*base)


def _commit_in_cache(source: str, revision: str | None) -> str:
    """Return the commit of a Hub model from where its files lie; the model itself doesn't know it any more."""
    from huggingface_hub import try_to_load_from_cache

    for name in ("adapter_config.json", "config.json"):
        path = try_to_load_from_cache(source, name, revision=revision)
        if isinstance(path, str):
            return Path(path).parent.name
    return revision or "unknown"


def describe_model(loaded: LoadedModel, frames_as: str | None = None) -> dict[str, Any]:
    """Return what a model brings along that changes its answers: number type, generation defaults, frame sizes."""
    import torch

    generation = loaded.model.generation_config.to_diff_dict()
    # Without private fields, what is returned besides the text, and the library's version, which is recorded elsewhere
    kept = {name: value for name, value in generation.items() if not name.startswith(("_", "output_", "transformers"))}
    device = loaded.model.device
    base, shown_as = base_revision(loaded), frames_as_for(loaded.processor, frames_as)
    return {
        "model_revision": model_revision(loaded),
        **({"base_revision": base} if base else {}),
        "model_type": loaded.model.config.model_type,
        "parameters": sum(parameter.numel() for parameter in loaded.model.parameters()),
        "dtype": str(loaded.model.dtype).removeprefix("torch."),
        "attention": loaded.model.config._attn_implementation,
        "generation_defaults": kept,
        "frame_pixels": _frame_pixels(loaded.processor, shown_as),
        "frames_as": shown_as,
        "hardware": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
    }


def describe_endpoint(asked: EndpointModel) -> dict[str, Any]:
    """Return what is known of a served model: its name there, and how it is asked; never which weights it has."""
    return {
        "model": asked.model,
        "model_type": "endpoint",
        "model_revision": "unknown: served",
        "endpoint": asked.shown_url,
        "frames_as": asked.frames_as,
    }


def _frame_pixels(processor: Any, frames_as: str) -> dict[str, Any]:
    size = (processor.video_processor if frames_as == "video" else processor.image_processor).size
    return {name: value for name, value in dict(size).items() if value is not None}


def library_versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that touch frames, tokens or numbers."""
    versions = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions

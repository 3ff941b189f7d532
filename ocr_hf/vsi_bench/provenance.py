"""What a score depends on besides the settings: revisions, library versions, the device, the model's own defaults."""

from __future__ import annotations

import hashlib
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ocr_hf.models.load_model import LoadedModel

LIBRARIES = ("ocr-hf", "torch", "transformers", "tokenizers", "numpy", "av", "datasets")
_EDGE = 1 << 20


def model_revision(loaded: LoadedModel) -> str:
    """Return the commit of a model from the Hub, or a hash of a folder's weights and configuration.

    Of large weight files the size and the first and last MiB are hashed: enough to tell checkpoints apart.
    """
    folder = Path(loaded.source)
    if not folder.is_dir():
        return _commit_in_cache(loaded)
    digest = hashlib.blake2b(digest_size=16)
    for path in sorted(folder.iterdir()):
        if path.suffix not in (".safetensors", ".json") or not path.is_file():
            continue
        size = path.stat().st_size
        digest.update(f"{path.name}:{size}:".encode())
        with path.open("rb") as file:
            # The first MiB has the header with every tensor's name and shape, the last one weights
            digest.update(file.read(_EDGE))
            if size > _EDGE:
                file.seek(max(size - _EDGE, _EDGE))
                digest.update(file.read())
    return f"blake2b:{digest.hexdigest()}"


def _commit_in_cache(loaded: LoadedModel) -> str:
    """Return the commit of a Hub model from where its files lie; the model itself doesn't know it any more."""
    from huggingface_hub import try_to_load_from_cache

    for name in ("adapter_config.json", "config.json"):
        path = try_to_load_from_cache(loaded.source, name, revision=loaded.revision)
        if isinstance(path, str):
            return Path(path).parent.name
    return loaded.revision or "unknown"


def describe_model(loaded: LoadedModel) -> dict[str, Any]:
    """Return what a model brings along that changes its answers: number type, generation defaults, frame sizes."""
    import torch

    generation = loaded.model.generation_config.to_diff_dict()
    # Without private fields, what is returned besides the text, and the library's version, which is recorded elsewhere
    kept = {name: value for name, value in generation.items() if not name.startswith(("_", "output_", "transformers"))}
    device = loaded.model.device
    return {
        "model_revision": model_revision(loaded),
        "model_type": loaded.model.config.model_type,
        "parameters": sum(parameter.numel() for parameter in loaded.model.parameters()),
        "dtype": str(loaded.model.dtype).removeprefix("torch."),
        "attention": loaded.model.config._attn_implementation,
        "generation_defaults": kept,
        "frame_pixels": dict(loaded.processor.video_processor.size),
        "hardware": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
    }


def library_versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that touch frames, tokens or numbers."""
    versions = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions

"""Checks of a model folder before it is published: complete, safetensors only, loadable by its id alone."""

from __future__ import annotations

import json
import os
import pickletools
import struct
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ocr_hf.hub.hub_errors import first_of
from ocr_hf.hub.repo_files import LocalFile

TRAINING_STATE = {"training_args.bin", "optimizer.pt", "optimizer.bin", "scheduler.pt", "scaler.pt"}
"""Pickles that a Trainer leaves beside the weights. Nobody needs them to use the model, so they aren't pushed."""
_STATE_FOLDERS = ("checkpoint-", "runs", "global_step", "_")
_PICKLE_SUFFIXES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".dill", ".mar", ".t7")
_OTHER_WEIGHTS = (".h5", ".msgpack", ".npy", ".npz", ".onnx", ".gguf", ".tflite", ".pb")
MAX_HEADER_BYTES = 100 << 20


def is_training_state(path: str) -> bool:
    """Whether a path is a trainer's own state, which is left out of a push and of a pull."""
    *folders, name = path.split("/")
    if folders and folders[0].startswith(_STATE_FOLDERS):
        return True
    return name in TRAINING_STATE or (name.startswith("rng_state") and name.endswith(".pth"))


def forbidden_by_name(path: str) -> str | None:
    """Why a model repository must not hold a file of this name, None if it may."""
    lower = path.lower()
    if lower.endswith(_PICKLE_SUFFIXES):
        return "is a pickle by its name, and unpickling runs code; save the weights with `safe_serialization=True`"
    if lower.endswith(_OTHER_WEIGHTS):
        return "holds weights that are not safetensors; save them with `safe_serialization=True`"
    if lower.endswith(".py"):
        return "is code, which no model repository of ours needs; remove it (`trust_remote_code` is never used)"
    return None


def check_model(files: Iterable[LocalFile]) -> Iterator[str]:
    """Yield a sentence for each thing wrong with a model's files."""
    by_path = {file.path: file for file in files}
    for path, file in by_path.items():
        if reason := forbidden_by_name(path):
            yield f"{path} {reason}"
        elif is_pickle(file.source):
            yield f"{path} is a pickle by its content, and unpickling runs code; remove it"
    headers: dict[str, dict[str, Any]] = {}
    for path, file in by_path.items():
        if path.endswith(".safetensors"):
            try:
                headers[path] = safetensors_header(file.source)
            except ValueError as error:
                yield f"{path} {error}"
    yield from _check_shards(by_path, headers)
    yield from _check_usage(by_path)
    if "adapter_config.json" in by_path:
        yield from _check_adapter(by_path)
    else:
        yield from _check_full(by_path)


def is_pickle(path: Path) -> bool:
    """Whether a file's content is a pickle, bare or as PyTorch zips it, whatever its name."""
    with open(path, "rb") as stream:
        start = stream.read(2)
    if len(start) == 2 and start[0] == 0x80 and start[1] <= 5:  # PROTO opcode and its version
        return True
    if start == b"PK":
        try:
            with zipfile.ZipFile(path) as archive:
                return any(name.endswith(".pkl") for name in archive.namelist())
        except zipfile.BadZipFile:
            return False
    return _is_old_pickle(path)


def _is_old_pickle(path: Path) -> bool:
    """Whether a file is a pickle of protocol 0 or 1. They have no magic number, so its opcodes are decoded."""
    # pickletools decodes in Python, opcode by opcode, too slowly for large files
    if path.suffix in (".json", ".md", ".txt", ".yaml", ".jinja", ".safetensors") or path.stat().st_size > 1 << 20:
        return False
    try:
        names = {opcode.name for opcode, _, _ in pickletools.genops(path.read_bytes())}
    except Exception:  # noqa: BLE001 - genops raises whatever the malformed bytes lead it to
        return False
    # The opcodes that import or call something; without them bytes that happen to decode are harmless
    return bool(names & {"GLOBAL", "INST", "REDUCE", "OBJ"})


def safetensors_header(path: Path) -> dict[str, Any]:
    """Return a safetensors file's header; raise ValueError unless the file is exactly as long as it says."""
    size = path.stat().st_size
    with open(path, "rb") as stream:
        length = struct.unpack("<Q", stream.read(8).ljust(8, b"\0"))[0]
        # The length is read from the file: unchecked, eight forged bytes would allocate any amount of memory.
        if not 2 <= length <= min(size - 8, MAX_HEADER_BYTES):
            raise ValueError("is not a safetensors file; save the weights again")
        try:
            header = json.loads(stream.read(length))
        except (ValueError, RecursionError) as error:
            raise ValueError("is not a safetensors file (its header is not JSON); save the weights again") from error
    if not isinstance(header, dict):
        raise ValueError(
            f"is not a safetensors file (its header is a {type(header).__name__}, no object); save the weights again"
        )
    tensors = {name: tensor for name, tensor in header.items() if name != "__metadata__"}
    unplaced = [name for name, tensor in tensors.items() if not _is_placed(tensor)]
    if unplaced:
        raise ValueError(
            f"is not a safetensors file (its header doesn't place {first_of(unplaced)}); save the weights again"
        )
    end = max((tensor["data_offsets"][1] for tensor in tensors.values()), default=0)
    # Tensors fill the file without gaps: any other size means a truncated upload or something appended.
    if size != 8 + length + end:
        raise ValueError(
            f"holds {size - 8 - length} bytes of weights but its header names {end}; it was truncated or altered"
        )
    return tensors


def _is_placed(tensor: Any) -> bool:
    """Whether an entry of a header says between which bytes its tensor lies."""
    offsets = tensor.get("data_offsets") if isinstance(tensor, dict) else None
    return (
        isinstance(offsets, list)
        and [type(offset) for offset in offsets] == [int, int]
        and 0 <= offsets[0] <= offsets[1]
    )


def _check_shards(by_path: dict[str, LocalFile], headers: dict[str, dict[str, Any]]) -> Iterator[str]:
    for path in by_path:
        if not path.endswith(".safetensors.index.json"):
            continue
        index = _json(by_path[path])
        where = index.get("weight_map") if isinstance(index, dict) else None
        if not isinstance(where, dict):
            yield f"{path} has no weight_map; save the weights again"
            continue
        if nameless := [weight for weight, name in where.items() if not isinstance(name, str)]:
            yield f"{path} names no file for {first_of(nameless)}; save the weights again"
            continue
        folder = path.rpartition("/")[0]
        shards = {name: f"{folder}/{name}" if folder else name for name in where.values()}
        for shard in sorted(set(shards.values()) - set(by_path)):
            yield f"{path} names {shard}, which is missing; save the weights again"
        # A shard without a header was reported above; `where` has every weight, so none of its own counts as lost
        lost = [weight for weight, name in where.items() if weight not in headers.get(shards[name], where)]
        if lost:
            yield f"{path} places {first_of(lost)} where they are not; save the weights again"


def _check_full(by_path: dict[str, LocalFile]) -> Iterator[str]:
    if "config.json" not in by_path:
        yield "config.json is missing; give a folder written by `save_pretrained`"
        return
    config = _json(by_path["config.json"])
    if not isinstance(config, dict) or not config.get("model_type"):
        yield "config.json names no model_type; give a folder written by `save_pretrained`"
    elif "auto_map" in config:
        yield "config.json has an auto_map, which asks users to run the repository's code; use a class of transformers"
    if not any(path.endswith(".safetensors") and "/" not in path for path in by_path):
        yield "there are no weights (*.safetensors); save the model with `safe_serialization=True`"
    if not {"preprocessor_config.json", "video_preprocessor_config.json", "processor_config.json"} & set(by_path):
        yield "the processor is missing; call `processor.save_pretrained` on the folder too"
    if not {"tokenizer.json", "tokenizer_config.json"} <= set(by_path):
        yield "the tokenizer is missing; call `processor.save_pretrained` on the folder too"


def _check_adapter(by_path: dict[str, LocalFile]) -> Iterator[str]:
    config = _json(by_path["adapter_config.json"])
    base = config.get("base_model_name_or_path") if isinstance(config, dict) else None
    if not base:
        yield "adapter_config.json names no base_model_name_or_path; the adapter can't be loaded without"
    elif not isinstance(base, str):
        yield f"adapter_config.json names the base model {base!r}, which is no text; put a Hub id there"
    elif not isinstance(config.get("revision"), str | None):
        yield (
            f"adapter_config.json names the base model's revision {config['revision']!r}, which is no text; put a "
            "branch, tag or commit there, or null"
        )
    elif _is_local(base, by_path["adapter_config.json"].source.parent):
        yield (
            f"adapter_config.json names the base model '{base}', a path of this machine; put a Hub id there, or make "
            "one model of both with `ocr-hf merge`"
        )
    if "adapter_model.safetensors" not in by_path:
        yield "adapter_model.safetensors is missing; save the adapter with `save_pretrained`"


def _is_local(base: str, folder: Path) -> bool:
    """Whether a base is a path: by its form, or because such a folder is here, which is what would be loaded."""
    if base.startswith((".", "/", "~")) or "\\" in base or base.count("/") != 1:
        return True
    # Unlike Path.is_dir, without an error for a name that is too long
    return os.path.isdir(base) or os.path.isdir(folder / base)


def _check_usage(by_path: dict[str, LocalFile]) -> Iterator[str]:
    from ocr_hf.models.model_files import ModelLoadError
    from ocr_hf.models.usage import FILE, read_usage

    if FILE in by_path:
        try:
            read_usage(by_path[FILE].source.parent)
        except ModelLoadError as error:
            yield str(error)


def _json(file: LocalFile) -> Any:
    try:
        return json.loads(file.source.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        return None

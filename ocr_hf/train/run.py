"""What the two training commands share: rows, the model to load, the resolved configuration, resuming, the end."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml
from trl import get_peft_config, get_quantization_config

from ocr_hf.data.load import load, spread
from ocr_hf.models import branch_attention
from ocr_hf.models.load_model import check_config, load_processor
from ocr_hf.models.usage import Usage, write_usage
from ocr_hf.train.checkpoints import check_topology, last_checkpoint, topology
from ocr_hf.train.config import DataArguments, ModelArguments
from ocr_hf.train.dashboard import Dashboard
from ocr_hf.train.lost_processes import naming_lost_processes
from ocr_hf.train.training_rows import checked, with_prompts
from ocr_hf.train.versions import same_versions

RESOLVED = "resolved_config.yaml"
MERGED_START = "_start"
"""Folder of output_dir; names that begin with _ are not pushed."""


def training_rows(data: DataArguments, args: Any, model: ModelArguments, completion: Callable[[Any], int]) -> tuple:
    """Return (rows to train on, rows to evaluate on or None, processor), checked before training starts.

    completion : rows -> how many tokens the longest answer may take
    """
    if not data.data:
        raise ValueError("no data set is named; set data to a folder made by `ocr-hf build` or to a Hub id")
    if not model.model:
        raise ValueError("no model is named; set model to a folder or a Hub id")
    config = check_config(model.model, model.revision, training=True)
    processor = load_processor(model.model, model.revision, config)
    context = config.get_text_config().max_position_embeddings
    found = []
    for split in (data.split, data.eval_split):
        if split is None:
            found.append(None)
            continue
        rows = load(data.data, data.data_config, split=split, revision=data.data_revision)
        if data.limit is not None:
            # Before the check below, which opens every clip
            rows = rows.select(spread(len(rows), data.limit))
        rows = with_prompts(rows, data.prompt)
        found.append(checked(rows, args, processor, context, completion(rows)) if args.check_data else rows)
    return *found, processor


def starting_point(model: ModelArguments, args: Any, checkpoint: str | None = None) -> ModelArguments:
    """Return the model to load: `model` itself, or for a LoRA adapter its base with the adapter merged in.

    The merged model is kept in output_dir, where a resumed run finds it; it isn't pushed.
    checkpoint : what the run goes on from, None for a new run
    """
    from ocr_hf.models.adapters import adapter_base

    if not model.model or adapter_base(model.model, model.revision) is None:
        return model
    from ocr_hf.models.merge import merged_folder

    # One process writes the merged model; the others wait, and then find it there
    with args.main_process_first(desc="merging the adapter"):
        folder = Path(args.output_dir) / MERGED_START
        merged_folder(model.model, model.revision, folder, model.dtype or "float32", checkpoint is not None)
    return dataclasses.replace(model, model=str(folder), revision="main")


def model_arguments(model: ModelArguments) -> dict[str, Any]:
    """Return the keyword arguments that make a trainer load the model: safetensors only, no code from repositories."""
    if model.attn_implementation == branch_attention.NAME:
        branch_attention.register()
    return {
        "revision": model.revision,
        "attn_implementation": model.attn_implementation,
        "dtype": model.dtype or "float32",
        "use_safetensors": True,
        "trust_remote_code": False,
    }


def trainer_arguments(model: ModelArguments) -> dict[str, Any]:
    """Return the trainer's PEFT and quantization arguments."""
    if (model.load_in_4bit or model.load_in_8bit) and find_spec("bitsandbytes") is None:
        name = "load_in_4bit" if model.load_in_4bit else "load_in_8bit"
        raise ValueError(f"{name} needs bitsandbytes, which is not installed; pip install bitsandbytes, or unset it")
    peft_config = get_peft_config(model)
    if peft_config is not None and model.revision != "main":
        # Else the adapter would be loaded on whatever its base's main is by then
        peft_config.revision = model.revision
    return {"peft_config": peft_config, "quantization_config": get_quantization_config(model)}


def save_resolved(folder: str | Path, parts: dict[str, Any]) -> str:
    """Write every setting in force, defaults included, to the run's folder; return those that are not defaults."""
    everything = {name: _plain(part) for name, part in parts.items()}
    changed = {
        name: {f.name: everything[name][f.name] for f in dataclasses.fields(part) if _is_changed(everything[name], f)}
        for name, part in parts.items()
    }
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{RESOLVED}.{os.getpid()}"
    temporary.write_text(yaml.safe_dump(everything, sort_keys=True))
    os.replace(temporary, folder / RESOLVED)
    return yaml.safe_dump(changed, sort_keys=True)


def _plain(part: Any) -> dict[str, Any]:
    """A dataclass as numbers, text and lists; TrainingArguments masks its tokens itself."""
    if hasattr(part, "to_dict"):
        values = part.to_dict()
    else:
        values = {item.name: getattr(part, item.name) for item in dataclasses.fields(part) if item.init}
    return json.loads(json.dumps(values, default=str))


def _is_changed(values: dict[str, Any], item: dataclasses.Field) -> bool:
    default = item.default if item.default_factory is dataclasses.MISSING else item.default_factory()
    return item.init and item.name in values and values[item.name] != default


def resume_from(args: Any) -> str | None:
    """Return the checkpoint to go on from, or None for a new run.

    resume_from_checkpoint : a folder, or "auto" for the newest whole checkpoint of output_dir, if there is one
    Raises ValueError where a new run would write over the checkpoints of an old one, and where batch shapes differ.
    """
    newest = last_checkpoint(args.output_dir)
    wanted = args.resume_from_checkpoint
    if wanted in (None, "", "none", "false", "False"):
        if newest is not None:
            raise ValueError(
                f"'{args.output_dir}' holds {newest.name} of an earlier run; go on from it with "
                "--resume-from-checkpoint auto, or name another output_dir"
            )
        return None
    chosen = newest if wanted in ("auto", "true", "True") else Path(wanted)
    if chosen is None:
        return None
    check_topology(chosen, topology(args))
    return str(chosen)


def train(trainer: Any, parts: dict[str, Any], checkpoint: str | None, processor: Any) -> None:
    """Say and save the settings in force, train, and write the model, its processor and its usage to output_dir.

    Its dashboard is written beside them, also at saves.

    Args:
        trainer: A TRL trainer.
        parts: Name -> dataclass of settings, as resolved_config.yaml has them.
        checkpoint: Folder to go on from, or None.
        processor: What turns rows into inputs; saved with the model, so that the folder can be loaded alone.

    Raises:
        ValueError: A process has other library versions than the first.
        LostProcess: Another process has ended.
    """
    args = parts["training"]
    same_versions(trainer.accelerator)
    if args.process_index == 0:
        from rich.console import Console

        changed = save_resolved(args.output_dir, parts)
        text = f"settings in force, other than defaults (all are in {RESOLVED}):\n{changed}"
        if args.number_type_reason:
            text += f"number type: {args.number_type_reason}\n"
        Console(stderr=True).print(text, highlight=False, soft_wrap=True, markup=False)
    trainer.add_callback(Dashboard())
    with naming_lost_processes(trainer.accelerator):
        trainer.train(resume_from_checkpoint=checkpoint)
        # Called on every process: where parameters are sharded, all take part in gathering them
        trainer.save_model(args.output_dir)
        trainer.save_state()
    if args.process_index == 0:
        processor.save_pretrained(args.output_dir)
        write_usage(args.output_dir, Usage(args.frames, parts["data"].prompt, args.max_pixels))
    # The push below sends the folder, so processor and weights must be in it
    trainer.accelerator.wait_for_everyone()
    if args.push_to_hub:
        trainer.push_to_hub()

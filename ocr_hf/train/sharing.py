"""Which computation on videos a model and a launch allow to be shared: asked by both trainers."""

from __future__ import annotations

import warnings
from functools import partial
from typing import Any

import torch

from ocr_hf.models.adapters import without_adapter
from ocr_hf.models.families import family_of
from ocr_hf.train import checks
from ocr_hf.train.log_probs import why_not_branches
from ocr_hf.train.video_store import VideoStore


class SharesVideos:
    """Mix into a Trainer whose `args` have `share_vision` and `share_prefix`."""

    def base_of(self, model: Any) -> Any:
        """Unwrap a model.

        Args:
            model: as accelerate and PEFT have wrapped it, or as it is.

        Returns:
            The transformers model inside.
        """
        return without_adapter(self.accelerator.unwrap_model(model))

    @property
    def _number_type(self) -> torch.dtype:
        """What the model computes in."""
        mixed = {"bf16": torch.bfloat16, "fp16": torch.float16}
        return mixed.get(self.accelerator.mixed_precision, self.base_of(self.model).dtype)

    def _store(self, frozen: bool) -> VideoStore:
        """Return a store of videos that shares what the model and the launch allow, of a tower that is frozen or not.

        Raises ValueError where `share_vision` is asked for and can't be had.
        """
        reason = checks.why_not_vision(self.accelerator, family_of(self.base_of(self.model).config), frozen)
        if self.args.share_vision and reason is not None:
            raise ValueError(f"share_vision is true, but {reason}; or leave share_vision out")
        share = reason is None if self.args.share_vision is None else self.args.share_vision
        return VideoStore(self.processing_class, share, frozen, share and checks.is_sharded(self.accelerator))

    def _encode_in_step(self, store: VideoStore, *models: Any) -> None:
        """Where parameters are sharded, run the towers of models on a store's videos; all processes do it together.

        models : as accelerate has wrapped them
        """
        if not store.in_step:
            return
        for model in models:
            base = self.base_of(model)
            with self.accelerator.autocast():
                store.encode(base, partial(_features_inside, model, base), self.accelerator.device)

    def _can_share_prefix(self) -> bool:
        """Return whether rows are to run as branches behind what they share; say why the model can't, once."""
        reason = why_not_branches(self.base_of(self.model)) if self.args.share_prefix else None
        if reason is not None:
            warnings.warn(f"share_prefix is off for this model: {reason}", stacklevel=3)
        return self.args.share_prefix and reason is None


def _features_inside(model: Any, base: Any, pixels: torch.Tensor, grid: torch.Tensor) -> list[dict[str, Any]]:
    """Return the features of videos, computed where the wrapped model's forward would be.

    FSDP gathers the parameters that no layer of its own holds (patch embedding and merger among them) only there.
    """
    before, found = base.__dict__.get("forward"), []
    # On the object, as TRL sets its own forward, and for this one call. It returns nothing: with a number type of its
    # own FSDP 2 rebuilds every dataclass of an output, which the kind of features is, and no instance of one
    base.forward = lambda **_: found.extend(family_of(base.config).video_features(base, pixels, grid))
    try:
        model()
        return found
    finally:
        if before is None:
            del base.forward
        else:
            base.forward = before

"""Which computation on videos a model and a launch allow to be shared: asked by both trainers."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from peft import PeftModel

from ocr_hf.models.families import family_of
from ocr_hf.train import checks
from ocr_hf.train.log_probs import why_not_branches


class SharesVideos:
    """Mix into a Trainer whose `args` have `share_vision` and `share_prefix`."""

    def base_of(self, model: Any) -> Any:
        """Unwrap a model.

        Args:
            model: as accelerate and PEFT have wrapped it, or as it is.

        Returns:
            The transformers model inside.
        """
        model = self.accelerator.unwrap_model(model)
        return model.get_base_model() if isinstance(model, PeftModel) else model

    @property
    def _number_type(self) -> torch.dtype:
        """What the model computes in."""
        mixed = {"bf16": torch.bfloat16, "fp16": torch.float16}
        return mixed.get(self.accelerator.mixed_precision, self.base_of(self.model).dtype)

    def _can_share_vision(self) -> bool:
        """Return whether the vision tower is to run once per distinct video, apart from the model's forward."""
        if self.args.share_vision is not None:
            return self.args.share_vision
        # A sharded tower has its parameters only inside the model's own forward, so it cannot be run apart from it
        tower = family_of(self.base_of(self.model).config).tower
        return tower.features_last and not checks.is_sharded(self.accelerator)

    def _can_share_prefix(self) -> bool:
        """Return whether rows are to run as branches behind what they share; say why the model can't, once."""
        reason = why_not_branches(self.base_of(self.model)) if self.args.share_prefix else None
        if reason is not None:
            warnings.warn(f"share_prefix is off for this model: {reason}", stacklevel=3)
        return self.args.share_prefix and reason is None

"""Log-probs and losses of OCRGRPOTrainer: every one is computed under the video that a rollout's media id names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from ocr_hf.train import checks
from ocr_hf.train.log_probs import VideoConditionedModel, check_sharing, without_training
from ocr_hf.train.video_store import MediaId, VideoStore
from ocr_hf.train.view_loss import ScoredTokens, token_loss


class VideoScoring:
    """Methods of a TRL GRPO trainer; the one place where log-probs come from.

    It reads the trainer's `videos`, `strategy` and `rollout_metrics`, and keeps which videos are scored under in
    `_scored`, None for TRL's own path.
    """

    _scored: Sequence[MediaId] | None = None
    _roles: Sequence[str] | None = None
    _policy: torch.Tensor | None = None
    _share_prefix = False
    _unchecked = False

    def _get_per_token_logps_and_entropies(
        self, model, input_ids, attention_mask, logits_to_keep, batch_size=None, compute_entropy=False, **kwargs
    ):
        score = super()._get_per_token_logps_and_entropies
        if self._scored is None:
            return score(model, input_ids, attention_mask, logits_to_keep, batch_size, compute_entropy, **kwargs)
        store = self.videos[self.mode]

        def scored(videos: VideoStore, share: bool, entropy: bool) -> tuple[torch.Tensor, Any, Any]:
            conditioned = VideoConditionedModel(
                model,
                self.base_of(model),
                videos,
                self._scored,
                self.accelerator.autocast,
                share,
                may_split=self.accelerator.num_processes == 1,
            )
            found = score(conditioned, input_ids, attention_mask, logits_to_keep, batch_size, entropy, **kwargs)
            conditioned.check_all_used()
            return found

        # A mixture of experts balances over rows, which sharing would count otherwise
        share = self._share_prefix and not kwargs.get("compute_aux_loss")
        if self._unchecked and (share or store.share_vision):
            self._unchecked = False
            with without_training(model), torch.no_grad():
                separate = scored(store.with_pixels(), False, False)[0]
                together = scored(store, share, False)[0]
            found = check_sharing(together, separate, attention_mask[:, -logits_to_keep:], self._number_type)
            self._record({"sharing/difference": found})
        logps, entropies, aux_loss = scored(store, share, compute_entropy)
        if compute_entropy and self._roles is not None:
            self.rollout_metrics.add_entropy(entropies, attention_mask[:, -logits_to_keep:], self._roles)
            self._policy = logps
        return logps, entropies, aux_loss

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> torch.Tensor:
        media_ids = inputs.get("scored_media")
        # A sharded forward is a collective, which every process joins equally often
        if media_ids is None or not (any(media_ids) or ("views" in inputs and checks.is_sharded(self.accelerator))):
            return super()._compute_loss(model, inputs)
        with self._scoring(media_ids, inputs["role"]):
            loss = super()._compute_loss(model, inputs)
        policy, self._policy = self._policy, None
        return loss + self._view_loss(policy, inputs) if "views" in inputs else loss

    def _view_loss(self, policy: torch.Tensor, inputs: dict[str, Any]) -> torch.Tensor:
        """Return what the strategy adds to the loss of a micro-batch.

        policy : (B, C) log-probs of the completions, as the loss has them
        """
        mask = inputs["completion_mask"] * torch.tensor([[bool(views)] for views in inputs["views"]]).to(policy.device)
        views = {
            name: self._score_under(
                [views[number] if views else None for views in inputs["views"]], inputs, self.strategy.views_train
            )
            for number, name in enumerate(self.strategy.view_names)
        }
        values = self.strategy.loss_values(ScoredTokens(policy, views, inputs["advantages"], inputs["right"]))
        accumulation = self.current_gradient_accumulation_steps
        items = inputs["num_items_in_batch"].clamp(min=1.0) / self.accelerator.num_processes
        total = policy.new_zeros(())
        for name, (weight, per_token) in values.items():
            self.rollout_metrics.tokens.add(f"loss/{name}", per_token, mask)
            total = total + weight * token_loss(
                per_token,
                mask,
                self.loss_type,
                accumulation=accumulation,
                longest=self.max_completion_length,
                items=items * accumulation / self.args.steps_per_generation,
            )
        return total

    @contextmanager
    def _scoring(self, media_ids: Sequence[MediaId] | None, roles: Sequence[str] | None = None) -> Iterator[None]:
        """Score the rows of a batch under these videos."""
        before = self._scored, self._roles
        self._scored, self._roles = media_ids, roles
        try:
            yield
        finally:
            self._scored, self._roles = before

    def _score_under(
        self, media_ids: Sequence[MediaId], batch: dict[str, Any], with_gradient: bool = False
    ) -> torch.Tensor:
        """Return the policy's log-probs (B, C) of a batch's completions under other videos."""
        ids = torch.cat([batch["prompt_ids"], batch["completion_ids"]], 1)
        mask = torch.cat([batch["prompt_mask"], batch["completion_mask"]], 1)
        keep, size = batch["completion_ids"].shape[1], self.args.per_device_train_batch_size
        # The model without its DDP wrapper, as TRL scores old log-probs: a wrapped forward syncs with other processes
        with torch.set_grad_enabled(with_gradient), self._scoring(media_ids):
            return self._get_per_token_logps_and_entropies(self.model, ids, mask, keep, size)[0]

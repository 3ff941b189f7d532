"""OCRGRPOTrainer: TRL's GRPOTrainer for video, with a strategy that decides which video each rollout sees.

OCR is Object-Centric 3D Rollout (arXiv 2511.13190). Kept from TRL: sampling settings, every loss, advantages, KL,
clipping, accumulation, PEFT, logging, checkpoints. Changed: TRL 1.16 gives a video to `generate` and computes all
log-probs without it, in silence; here generation, old, reference and policy log-probs see the video named by each
rollout's media id. A batch without video takes TRL's own path throughout.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from peft import PeftModel
from trl import GRPOTrainer

from ocr_hf.models.media import VideoInputs, check_video_processor, encode_video, media_id, prompt_ids, with_video
from ocr_hf.train import setup
from ocr_hf.train.batches import drop_rows, mask_rows, split_by_group
from ocr_hf.train.checkpoints import WholeCheckpoints
from ocr_hf.train.clip_loader import BAD_CLIP, CLIP, BadRow, Clip, ClipLoader, row_name
from ocr_hf.train.config import OCRGRPOConfig
from ocr_hf.train.generation import generate
from ocr_hf.train.media_table import MediaId, MediaTable, SeeingModel
from ocr_hf.train.metrics import RolloutMetrics
from ocr_hf.train.rollouts import make_strategy
from ocr_hf.train.variants import Vanilla, Variant

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rollout:
    """One rollout of the batch in flight.

    role : its part in the strategy's layout; variant : what it is shown, of which clip
    generated : the media id it is sampled from; scored : the one its log-probs are computed under; both None for a
        row without video, and for one that was skipped
    """

    role: str
    variant: Variant
    clip: Clip | None = None
    generated: MediaId = None
    scored: MediaId = None
    skipped: bool = False


@dataclass(frozen=True)
class ClipEncoder:
    """Make model inputs of clips with a trainer's processor and sizes, on its device."""

    trainer: OCRGRPOTrainer
    table: MediaTable

    @property
    def video_processor(self) -> Any:
        return self.trainer.processing_class.video_processor

    def encode(self, clip: Clip, frames: np.ndarray) -> VideoInputs:
        args, several = self.trainer.args, len(clip.times_s) > 1
        video = encode_video(
            self.trainer.processing_class,
            frames,
            clip.times_s if several else None,
            fps=None if several else 1.0,
            min_pixels=args.min_pixels,
            max_pixels=args.max_pixels,
        )
        return video.to(self.trainer.accelerator.device)

    def vanilla(self, clip: Clip) -> VideoInputs:
        return self.table.videos[self.trainer._show(self.table, clip, Vanilla())]


class OCRGRPOTrainer(WholeCheckpoints, GRPOTrainer):
    """GRPO on video with Object-Centric 3D Rollout; arguments as TRL's GRPOTrainer, configured by OCRGRPOConfig.

    Rows of the data set: `prompt` (a chat), a video in the column `video_column`, `id`, what the strategy reads
    (strategy ocr: footprints, camera_to_world, queried_objects) and what the rewards read. Raises ValueError before
    training for a model or data set that cannot work, BadRow for a row that cannot be used.
    """

    _tag_names = ["trl", "grpo", "ocr-hf", "object-centric-3d-rollout"]
    _name = "OCR-GRPO"
    _paper = {
        "title": "Video Spatial Reasoning with Object-Centric 3D Rollout",
        "id": "2511.13190",
        "citation": (
            "@article{tang2025ocr,\n"
            "    title  = {{Video Spatial Reasoning with Object-Centric 3D Rollout}},\n"
            "    author = {Tang and Cao and Liu and Liang and Li and Li and Liang},\n"
            "    journal = {Proceedings of the AAAI Conference on Artificial Intelligence},\n"
            "    volume = {40}, number = {11}, pages = {9395--9403}, year = {2026}\n"
            "}"
        ),
    }

    def __init__(
        self, model: Any, reward_funcs: Any, args: OCRGRPOConfig, train_dataset: Any = None, **kwargs: Any
    ) -> None:
        self.strategy = make_strategy(args)
        self.has_video = setup.has_video(train_dataset, args, self.strategy)
        args, reward_funcs = setup.with_bonus(args, reward_funcs, self.strategy.bonus_name)
        setup.check_groups(args, self.strategy)
        setup.check_rows(args, train_dataset)
        # TRL plans before training starts, and reads these
        self._rollouts: list[Rollout] | None = None
        self._scored: Sequence[MediaId] | None = None
        self._roles: Sequence[str] | None = None
        super().__init__(model, reward_funcs, args, train_dataset, **kwargs)
        if self.has_video:
            check_video_processor(self.processing_class)
        frozen = setup.freeze_vision(self.base_of(self.model), args.freeze_vision)
        encode_once = not setup.is_sharded(self) if args.encode_once is None else args.encode_once
        self.media = {mode: MediaTable(self.processing_class, encode_once, frozen) for mode in ("train", "eval")}
        self.rollout_metrics = RolloutMetrics(self.strategy.roles)
        self.data_collator = ClipLoader(
            args.video_column, args.num_frames, args.frame_cache_mb * 2**20, args.on_bad_row
        )
        if self.has_video:
            setup.suppress_video_token(self)

    @property
    def mode(self) -> str:
        """ "train" or "eval", by the model."""
        return "train" if self.model.training else "eval"

    def base_of(self, model: Any) -> Any:
        """Return the transformers model inside what accelerate and PEFT have wrapped it in."""
        model = self.accelerator.unwrap_model(model)
        return model.get_base_model() if isinstance(model, PeftModel) else model

    # What each rollout sees

    def _plan(self, rows: list[dict[str, Any]]) -> list[Rollout]:
        """Decide every rollout's video and put the videos in the side table; a function of settings, rows and step."""
        table, training = self.media[self.mode], self.mode == "train"
        table.clear()
        group = self.num_generations if training else self.num_generations_eval
        first = self.accelerator.process_index * len(rows)
        variants: dict[int, dict[str, Variant] | None] = {}
        rollouts = []
        for position, row in enumerate(rows):
            number, member = divmod(first + position, group)
            clip = row.get(CLIP)
            if clip is None:
                rollouts.append(Rollout("vanilla", Vanilla(), skipped=BAD_CLIP in row))
                continue
            if number not in variants:
                variants[number] = self._variants(row) if training else {}
            if variants[number] is None:
                rollouts.append(Rollout("vanilla", Vanilla(), skipped=True))
                continue
            role = self.strategy.layout[member] if training else "vanilla"
            shown = variants[number].get(role, Vanilla())
            seen = self._show(table, clip, shown)
            scored = seen if self.args.score_under == "own" else self._show(table, clip, Vanilla())
            rollouts.append(Rollout(role, shown, clip, seen, scored))
        return rollouts

    def _variants(self, row: dict[str, Any]) -> dict[str, Variant] | None:
        """Return what each role of a row's group sees, or None for a row that is skipped."""
        try:
            return self.strategy.variants(row, self.state.global_step, max(self.state.max_steps, 1))
        except BadRow as error:
            if self.args.on_bad_row == "fatal":
                raise
            logger.warning("skipped: %s", error)
            return None

    def _show(self, table: MediaTable, clip: Clip, variant: Variant) -> str:
        """Put one variant of a clip in the side table, unless it is there, and return its media id."""
        name = media_id(clip.id, variant.settings)
        table.add(name, lambda: variant.video(clip, ClipEncoder(self, table)))
        return name

    @property
    def _sees_video(self) -> bool:
        """Whether the batch in flight needs our tokens and our generation; else TRL's own do."""
        return self._rollouts is not None and any(r.generated is not None or r.skipped for r in self._rollouts)

    # Generation

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        if not self.has_video:
            return super()._generate_and_score_completions(inputs)
        rollouts = self._rollouts = self._plan(inputs)
        if self._sees_video and any(row.get("images") or row.get("image") for row in inputs):
            raise ValueError(
                f"{row_name(inputs[0])}: its batch mixes rows with images and rows with videos, which cannot be "
                "batched together; train on them one after the other"
            )
        bare = [{name: value for name, value in row.items() if name not in (CLIP, BAD_CLIP)} for row in inputs]
        try:
            with self._scoring([rollout.scored for rollout in rollouts] if self._sees_video else None):
                output = super()._generate_and_score_completions(bare)
            self._measure_divergence(output, rollouts)
        finally:
            self._rollouts = None
        output["scored_media"] = [rollout.scored for rollout in rollouts]
        output["role"] = [rollout.role for rollout in rollouts]
        return self._without_unused(output, rollouts)

    def _tokenize_prompts(self, prompts: list) -> tuple[list[list[int]], Any, dict[str, Any]]:
        if not self._sees_video:
            return super()._tokenize_prompts(prompts)
        table = self.media[self.mode]
        ids = []
        for prompt, rollout in zip(prompts, self._rollouts, strict=True):
            videos = [] if rollout.generated is None else [table.videos[rollout.generated]]
            chat = with_video(prompt) if videos else setup.without_video(prompt)
            ids.append(prompt_ids(self.processing_class, chat, videos, **self.chat_template_kwargs))
        setup.check_lengths(self, ids)
        return ids, None, {}

    def _generate_single_turn(self, prompt_ids, images, multimodal_fields, num_generations, has_tool_images=False):
        if not self._sees_video:
            return super()._generate_single_turn(
                prompt_ids, images, multimodal_fields, num_generations, has_tool_images
            )
        return generate(self, prompt_ids, [rollout.generated for rollout in self._rollouts]), None

    # Scoring: the one place where log-probs come from

    def _get_per_token_logps_and_entropies(
        self, model, input_ids, attention_mask, logits_to_keep, batch_size=None, compute_entropy=False, **kwargs
    ):
        score = super()._get_per_token_logps_and_entropies
        if self._scored is None:
            return score(model, input_ids, attention_mask, logits_to_keep, batch_size, compute_entropy, **kwargs)
        seeing = SeeingModel(model, self.base_of(model), self.media[self.mode], self._scored, self.accelerator.autocast)
        logps, entropies, aux_loss = score(
            seeing, input_ids, attention_mask, logits_to_keep, batch_size, compute_entropy, **kwargs
        )
        if seeing.waiting:
            raise RuntimeError(f"{len(seeing.waiting)} rollouts were scored without being shown to the model")
        if compute_entropy and self._roles is not None:
            self.rollout_metrics.add_entropy(entropies, attention_mask[:, -logits_to_keep:], self._roles)
        return logps, entropies, aux_loss

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> torch.Tensor:
        media_ids = inputs.get("scored_media")
        if media_ids is None or not any(media_ids):
            return super()._compute_loss(model, inputs)
        with self._scoring(media_ids, inputs["role"]):
            return super()._compute_loss(model, inputs)

    @contextmanager
    def _scoring(self, media_ids: Sequence[MediaId] | None, roles: Sequence[str] | None = None) -> Iterator[None]:
        """Score the rows of a batch under these videos."""
        before = self._scored, self._roles
        self._scored, self._roles = media_ids, roles
        try:
            yield
        finally:
            self._scored, self._roles = before

    # Rewards

    def _calculate_rewards(self, inputs, prompts, completions, completion_ids_list):
        rewards = super()._calculate_rewards(inputs, prompts, completions, completion_ids_list)
        if self._rollouts is None:
            return rewards
        # Whatever its own rows are, every process gathers the same, so that none waits for another
        roles = self.strategy.roles
        local = [
            [-1 if rollout.skipped else roles.index(rollout.role), int(rollout.skipped), len(ids)]
            for rollout, ids in zip(self._rollouts, completion_ids_list, strict=True)
        ]
        group = self.num_generations if self.mode == "train" else self.num_generations_eval
        gathered = self.accelerator.gather(torch.tensor(local, device=rewards.device))
        role, skipped, lengths = gathered.view(-1, group, 3).unbind(-1)
        grouped = rewards.view(-1, group, rewards.shape[1])  # a view: what is set in it is set in `rewards`
        names = self.reward_func_names
        accuracy = grouped[..., names.index(setup.ACCURACY)].clone() if setup.ACCURACY in names else None
        if self.strategy.bonus_name is not None:
            grouped[..., names.index(self.strategy.bonus_name)] = self.strategy.bonus(accuracy, role == 0)
        # TRL leaves rollouts without any reward out of the baseline and gives them no advantage
        grouped[skipped.bool()] = torch.nan
        weighted = (grouped * self.reward_weights.to(grouped.device)).nansum(-1)
        weighted = weighted.masked_fill(grouped.isnan().all(-1), torch.nan)
        self._record(self.rollout_metrics.of_rewards(role, weighted, accuracy, lengths))
        self._record_noise()
        for number, name in enumerate(roles):
            if name in self.strategy.excluded:
                grouped[role == number] = torch.nan
        return rewards

    # Batches

    def _prepare_inputs(self, generation_batch: Any) -> dict[str, Any]:
        if self.mode == "eval" or not any(CLIP in row or BAD_CLIP in row for row in generation_batch):
            return super()._prepare_inputs(generation_batch)
        # As TRL does, but a group stays together: what its rollouts share is then shared within a micro-batch
        chunks = self.args.steps_per_generation
        if self._step % (chunks * self.num_iterations) == 0 or self._buffered_inputs is None:
            output = self._generate_and_score_completions(generation_batch)
            kept = sum(role not in self.strategy.excluded for role in self.strategy.layout)
            seed = (self.args.seed, self.state.global_step, self.accelerator.process_index)
            self._buffered_inputs = split_by_group(output, chunks, kept, seed)
        return self._buffered_inputs[self._step % chunks]

    def _without_unused(self, output: dict[str, Any], rollouts: Sequence[Rollout]) -> dict[str, Any]:
        """Take skipped rollouts out of the loss and excluded ones out of the batch."""
        if not self.strategy.excluded and self.args.on_bad_row != "skip":
            return output
        output = mask_rows(output, torch.tensor([rollout.skipped for rollout in rollouts]))
        if self.mode == "train":
            output = drop_rows(output, torch.tensor([rollout.role in self.strategy.excluded for rollout in rollouts]))
        return output | {"num_items_in_batch": self.accelerator.gather(output["completion_mask"].sum()).sum()}

    # Measuring

    def _record(self, values: dict[str, float]) -> None:
        for name, value in values.items():
            self._metrics[self.mode][name].append(value)

    def _record_noise(self) -> None:
        """Log what was perturbed: per rollout in the completions table, on average in the metrics."""
        rollouts = self._rollouts
        for column, values in {
            "media_id": [rollout.generated for rollout in rollouts],
            "scored_media_id": [rollout.scored for rollout in rollouts],
            "role": ["skipped" if rollout.skipped else rollout.role for rollout in rollouts],
            "perturbed_objects": [list(rollout.variant.objects) for rollout in rollouts],
        }.items():
            self._log_completion_extra(column, values)
        if self.mode == "eval" or not self.args.num_noisy:
            return
        noisy = {id(rollout.variant): rollout for rollout in rollouts if rollout.role != "vanilla"}
        sums = [
            [1.0, len(rollout.variant.objects), rollout.variant.area(rollout.clip)] for rollout in noisy.values()
        ] or [[0.0, 0.0, 0.0]]
        total = torch.tensor(sums, device=self.accelerator.device).sum(0)
        count, objects, area = self.accelerator.reduce(total, "sum").tolist()
        if count:
            self._record({"noise/objects": objects / count, "noise/area": area / count})

    def _measure_divergence(self, output: dict[str, Any], rollouts: Sequence[Rollout]) -> None:
        """Log KL(policy under the noisy video || under the recorded one), per token, on what it sampled from it."""
        every = self.args.variant_kl_every
        if self.mode == "eval" or not every or not self.args.num_noisy or self.state.global_step % every:
            return
        total = torch.zeros(2, device=self.accelerator.device)
        if self._sees_video and not setup.is_sharded(self):
            ids = torch.cat([output["prompt_ids"], output["completion_ids"]], 1)
            mask = torch.cat([output["prompt_mask"], output["completion_mask"]], 1)
            keep = output["completion_ids"].shape[1]
            logps = []
            for media_ids in ([r.generated for r in rollouts], [self._vanilla_of(r) for r in rollouts]):
                with torch.no_grad(), self._scoring(media_ids):
                    size = self.args.per_device_train_batch_size
                    logps.append(self._get_per_token_logps_and_entropies(self.model, ids, mask, keep, size)[0])
            noisy = torch.tensor([r.role != "vanilla" for r in rollouts], device=total.device)
            tokens = output["completion_mask"] * noisy.unsqueeze(1)
            ratio = logps[1] - logps[0]
            # TRL's estimator (k3 of Schulman's note), which is never negative
            total = torch.stack([((ratio.exp() - ratio - 1) * tokens).sum(), tokens.sum()])
        divergence, tokens = self.accelerator.reduce(total, "sum").tolist()
        if tokens:
            self._record({f"kl/{self.strategy.other}_vanilla": divergence / tokens})

    def _vanilla_of(self, rollout: Rollout) -> MediaId:
        return None if rollout.clip is None else self._show(self.media[self.mode], rollout.clip, Vanilla())

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        if self.has_video:
            entropy = self.accelerator.reduce(self.rollout_metrics.take_entropy().to(self.accelerator.device), "sum")
            for name, (total, tokens) in zip(self.strategy.roles, entropy.tolist(), strict=True):
                if tokens:
                    self._record({f"{name}/entropy": total / tokens})
        super().log(logs, start_time)

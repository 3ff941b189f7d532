"""OCRGRPOTrainer: TRL's GRPOTrainer for video, with a strategy that decides which video each rollout sees.

OCR is Object-Centric 3D Rollout (arXiv 2511.13190). Kept from TRL: sampling settings, every loss, advantages, KL,
clipping, accumulation, PEFT, logging, checkpoints. Changed: TRL 1.16 gives a video to `generate` and computes all
log-probs without it, without an error; here generation, old, reference and policy log-probs see the video named by each
rollout's media id. A batch without video takes TRL's own path throughout.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from trl import GRPOTrainer
from trl.extras.profiling import profiling_context
from trl.models import unwrap_model_for_generation

from ocr_hf.models.families import family_of, trainable_family
from ocr_hf.models.media import VideoInputs, check_video_processor, prompt_ids, with_video, without_video
from ocr_hf.models.shared_prefix import rollout_inputs, shares_prompts
from ocr_hf.models.video_frames import as_one_token
from ocr_hf.train import checks
from ocr_hf.train.batches import drop_rows, mask_rows, split_by_group
from ocr_hf.train.checkpoints import WholeCheckpoints
from ocr_hf.train.clip_loader import BAD_CLIP, CLIP, ClipLoader, row_name
from ocr_hf.train.clip_sampler import GroupSampler
from ocr_hf.train.config import OCRGRPOConfig
from ocr_hf.train.credit import Outcome
from ocr_hf.train.dynamic_sampling import ReplacesFlatGroups, check_dynamic_sampling
from ocr_hf.train.generation import sample_completions, suppress_media_tokens
from ocr_hf.train.held_out_recovery import HeldOutRecovery
from ocr_hf.train.measuring import Measuring
from ocr_hf.train.metrics import RolloutMetrics
from ocr_hf.train.rewards import ACCURACY, finite, with_bonus
from ocr_hf.train.rollout_plan import ClipEncoder, Rollout, RolloutPlanner, plan_recorded
from ocr_hf.train.rollouts import Strategy, make_strategy
from ocr_hf.train.sampler_check import SampledByVLLM
from ocr_hf.train.sharing import SharesVideos
from ocr_hf.train.variants import Vanilla
from ocr_hf.train.versions import check_vllm
from ocr_hf.train.video_scoring import VideoScoring
from ocr_hf.train.video_store import MediaId, freeze_vision
from ocr_hf.train.vllm_sampler import Request


class OCRGRPOTrainer(
    ReplacesFlatGroups, Measuring, VideoScoring, SampledByVLLM, SharesVideos, WholeCheckpoints, GRPOTrainer
):
    """GRPO on video with Object-Centric 3D Rollout (OCR): TRL's GRPOTrainer whose rollouts all see their video.

    A row has `prompt` (a chat), a video in the column `video_column`, `id`, what the strategy reads (strategy ocr:
    footprints, camera_to_world, queried_objects) and what the rewards read. A row without video trains as in TRL.

    Args:
        model: the model to train, or its Hub id or folder.
        reward_funcs: as TRL's; `ocr_hf.train.rewards` has those of VSI-Bench's answers.
        args: the settings.
        train_dataset: rows to train on.
        strategy: which video each rollout sees, made in Python, in place of the one that `args` names.
        **kwargs: as of TRL's GRPOTrainer: eval_dataset, processing_class, callbacks, optimizers, peft_config.

    Raises:
        ValueError: the model or the data set can't work with these settings; found before training starts.
        BadRow: a row's video can't be used, and `on_bad_video` is "stop".
        BadReward: a reward is NaN or infinite, and `on_bad_reward` is "stop"; while training.
        IncompatibleVLLM: `use_vllm` is set, and vLLM is missing or not of a version that TRL takes.

    Example:
        >>> from ocr_hf import OCRGRPOConfig, OCRGRPOTrainer, load_model
        >>> from ocr_hf.data.load import load
        >>> from ocr_hf.train.rewards import accuracy_reward
        >>> from ocr_hf.train.training_rows import with_prompts
        >>> rows = with_prompts(load("rooms", "recipes", split="train"))
        >>> loaded = load_model("tiny", dtype="float32", device="cpu")
        >>> args = OCRGRPOConfig(
        ...     "grpo", use_cpu=True, bf16=False, frames=2, num_generations=4, per_device_train_batch_size=4,
        ...     max_steps=1, max_completion_length=4, report_to="none", save_strategy="no", disable_tqdm=True,
        ... )
        >>> trainer = OCRGRPOTrainer(loaded.model, [accuracy_reward], args, rows, processing_class=loaded.processor)
        >>> result = trainer.train()
        {'train_runtime': ...
        >>> result.global_step
        1
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
        self,
        model: Any,
        reward_funcs: Any,
        args: OCRGRPOConfig,
        train_dataset: Any = None,
        *,
        strategy: Strategy | None = None,
        **kwargs: Any,
    ) -> None:
        args = args if strategy is None else args.with_strategy(strategy)
        self.strategy = make_strategy(args, strategy)
        self.has_video = checks.has_video(train_dataset, args, self.strategy)
        args, reward_funcs = with_bonus(args, reward_funcs, self.strategy.bonus_name)
        reward_funcs = [finite(function, args.on_bad_reward) for function in reward_funcs]
        checks.check_groups(args, self.strategy)
        checks.check_rows(args, train_dataset)
        check_dynamic_sampling(args, train_dataset)
        if args.use_vllm:
            check_vllm()
        # Set before TRL's __init__, which may already call methods that read them
        self._rollouts: list[Rollout] | None = None
        self._right: torch.Tensor | None = None
        self._outcome: Outcome | None = None
        self._requests: list[Request] | None = None
        super().__init__(model, reward_funcs, args, train_dataset, **kwargs)
        family = family_of(self._model_config)
        if self.has_video:
            check_video_processor(self.processing_class)
            trainable_family(self._model_config)
            checks.check_sharding(self.accelerator, family)
        frozen = freeze_vision(self.base_of(self.model), args.freeze_vision)
        # Evaluation may run between sampling and the last update on what was sampled, so it has videos of its own
        self.videos = {mode: self._store(frozen) for mode in ("train", "eval")} if self.has_video else {}
        self._share_prefix = self.has_video and self._can_share_prefix()
        # A sharded forward is a collective that processes without a video would not join
        self._unchecked = self.has_video and not checks.is_sharded(self.accelerator)
        self._planner = RolloutPlanner(self.strategy, args.score_under, args.on_bad_video == "skip")
        self.rollout_metrics = RolloutMetrics(self.strategy.roles, self.strategy.loss_terms, self.strategy.excluded)
        # After TRL's __init__, which sets a collator of its own and takes no other
        self.data_collator = ClipLoader(args.video_column, args.frames, args.frame_cache_mb * 2**20, args.on_bad_video)
        self._recovery = None
        if args.recovery_clips:
            checks.check_recovery(self.accelerator, args)
            self._recovery = HeldOutRecovery(self.eval_dataset, args, self.processing_class)
        if self.has_video and self.use_vllm:
            self._sample_by_vllm()
        elif self.has_video:
            suppress_media_tokens(self._model_config, self.generation_kwargs, self.generation_config)

    @property
    def mode(self) -> str:
        """ "train" or "eval", by the model."""
        return "train" if self.model.training else "eval"

    @property
    def _model_config(self) -> Any:
        return self.base_of(self.model).config

    # Which video each rollout sees

    def _plan(self, rows: list[dict[str, Any]]) -> list[Rollout]:
        """Decide every rollout's video and put the videos in the store of the current mode."""
        if not self._in_further_round:
            self.videos[self.mode].clear()
        if self.mode == "eval":
            return plan_recorded(rows, self._encoder())
        # Each process holds one consecutive slice of the global batch
        first = self.accelerator.process_index * len(rows)
        step, steps = self.state.global_step, max(self.state.max_steps, 1)
        return self._planner.plan(rows, self._encoder(), first, self.num_generations, step, steps)

    def _encoder(self) -> ClipEncoder:
        return ClipEncoder(
            self.processing_class,
            self.videos[self.mode],
            self.accelerator.device,
            self.args.min_pixels,
            self.args.max_pixels,
        )

    @property
    def _sees_video(self) -> bool:
        """Whether the batch in flight needs our tokens and our generation; else TRL's own do."""
        return self._rollouts is not None and any(r.sampled_from is not None or r.skipped for r in self._rollouts)

    # Generation

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        if not self.has_video:
            return super()._generate_and_score_completions(inputs)
        rollouts = self._rollouts = self._plan(inputs)
        models = (self.model_wrapped, self.ref_model) if self.ref_model is not None else (self.model_wrapped,)
        self._encode_in_step(self.videos[self.mode], *models)
        if self._sees_video and any(row.get("images") or row.get("image") for row in inputs):
            raise ValueError(
                f"{row_name(inputs[0])}: its batch mixes rows with images and rows with videos, which cannot be "
                "batched together; train on them one after the other"
            )
        # TRL passes every column of the rows on, to rewards and logs; the decoded clip is for the plan alone
        bare = [
            self.strategy.row_for(
                rollout.role, {name: value for name, value in row.items() if name not in (CLIP, BAD_CLIP)}
            )
            for row, rollout in zip(inputs, rollouts, strict=True)
        ]
        try:
            with self._scoring([rollout.scored_under for rollout in rollouts] if self._sees_video else None):
                output = super()._generate_and_score_completions(bare)
            self._measure_divergence(output, rollouts)
            if self.use_vllm:
                output = self._compare_sampler(output, rollouts)
        finally:
            self._rollouts = None
            self._requests = None
        # TRL buffers what it generated and scores micro-batches of it later; the media ids go with the rows
        output["scored_media"] = [rollout.scored_under for rollout in rollouts]
        output["role"] = [rollout.role for rollout in rollouts]
        if self.mode == "train":
            output["advantages"] = self._advantages(output["advantages"])
        self._write_samples(output, inputs, rollouts)
        if self.mode == "train" and self.strategy.view_names:
            output["views"] = [rollout.views for rollout in rollouts]
            output["right"] = self._own(self._right)
        return self._without_unused(output, rollouts)

    def _tokenize_prompts(self, prompts: list) -> tuple[list[list[int]], Any, dict[str, Any]]:
        if not self._sees_video:
            return super()._tokenize_prompts(prompts)
        store, processor = self.videos[self.mode], self.processing_class
        # A group asks the same of videos of one shape, and a chat template takes longer to fill than a letter to sample
        tokenized: dict[tuple[str, ...], list[int]] = {}

        def tokens_of(chat: list[dict[str, Any]], videos: list[VideoInputs]) -> list[int]:
            key = (repr(chat), *(video.placeholder for video in videos))
            if key not in tokenized:
                tokenized[key] = prompt_ids(processor, chat, videos, **self.chat_template_kwargs)
            return list(tokenized[key])

        ids = []
        requests = []
        for prompt, rollout in zip(prompts, self._rollouts, strict=True):
            videos = [] if rollout.sampled_from is None else [store.videos[rollout.sampled_from]]
            # A skipped row keeps its place in the batch, and answers without its video
            chat = with_video(prompt) if videos else without_video(prompt)
            ids.append(tokens_of(chat, videos))
            if self.use_vllm:
                short = tokens_of(chat, [as_one_token(video, processor) for video in videos])
                requests.append(Request(short, rollout.sampled_from, *videos))
        self._requests = requests
        context = self._model_config.get_text_config().max_position_embeddings
        checks.check_lengths(ids, context, self.max_completion_length, self.processing_class.video_token_id)
        # No images, and no media fields either: videos go by media id, since TRL would copy pixels once per rollout
        return ids, None, {}

    def _generate_single_turn(self, prompt_ids, images, multimodal_fields, num_generations, has_tool_images=False):
        # With sharded parameters all processes generate alike, those without video, too
        in_step = self._rollouts is not None and images is None and checks.is_sharded(self.accelerator)
        if not self._sees_video and not in_step:
            return super()._generate_single_turn(
                prompt_ids, images, multimodal_fields, num_generations, has_tool_images
            )
        if self.use_vllm:
            with self.vllm_generation.asked(self._requests):
                return super()._generate_single_turn(prompt_ids, None, {}, num_generations)
        # TRL wants log-probs of sampling only from vLLM, to correct for the difference between two implementations
        return self._sample(prompt_ids, [rollout.sampled_from for rollout in self._rollouts]), None

    def _sample(self, prompts: Sequence[Sequence[int]], media_ids: Sequence[MediaId]) -> list[list[int]]:
        """Return the token ids of one completion per prompt; `media_ids` names the video of each."""
        store = self.videos[self.mode]
        videos = [None if media_id is None else store.videos[media_id] for media_id in media_ids]
        in_step = checks.is_sharded(self.accelerator)
        share = self.args.share_prefill and shares_prompts(prompts, videos)
        if in_step:
            # Running prompts first is a forward more, which all processes join or none
            sharing = self.accelerator.reduce(torch.tensor(int(share), device=self.accelerator.device), "sum")
            share = int(sharing) == self.accelerator.num_processes
        with (
            profiling_context(self, "transformers.generate"),
            unwrap_model_for_generation(
                self.model_wrapped,
                self.accelerator,
                gather_deepspeed3_params=self.args.ds3_gather_for_generation,
                generation_kwargs=self.generation_kwargs,
                gradient_checkpointing_kwargs=self.args.gradient_checkpointing_kwargs,
            ) as model,
            torch.no_grad(),
            # As in TRL's own generation, which else meets embeddings that FSDP has flattened (pytorch#100069)
            self._dist.summon_full_params(self.model_wrapped, recurse=False),
        ):

            def video_arguments(ids: torch.Tensor, rows: Sequence[int]) -> dict[str, Any]:
                # The tower in the precision that scoring runs it in: frozen, its features are kept and used there
                with self.accelerator.autocast():
                    return store.arguments(self.base_of(model), [media_ids[row] for row in rows], ids)

            inputs = rollout_inputs(
                model,
                self.processing_class,
                prompts,
                videos,
                video_arguments,
                self.processing_class.tokenizer.pad_token_id,
                self.accelerator.device,
                share=share,
            )
            return sample_completions(model, inputs, self.generation_config, self.eos_token_ids, in_step)

    # Rewards

    def _calculate_rewards(self, inputs, prompts, completions, completion_ids_list):
        rewards = super()._calculate_rewards(inputs, prompts, completions, completion_ids_list)
        if self._rollouts is None:
            return rewards
        # Whatever its own rows are, every process gathers the same, so that none waits for another
        roles = self.strategy.roles
        local = [
            [
                -1 if rollout.skipped else roles.index(rollout.role),
                int(rollout.skipped),
                int(not isinstance(rollout.variant, Vanilla)),
                len(ids),
            ]
            for rollout, ids in zip(self._rollouts, completion_ids_list, strict=True)
        ]
        group = self.num_generations if self.mode == "train" else self.num_generations_eval
        gathered = self.accelerator.gather(torch.tensor(local, device=rewards.device))
        role, skipped, altered, lengths = gathered.view(-1, group, 4).unbind(-1)
        grouped = rewards.view(-1, group, rewards.shape[1])  # a view: what is set in it is set in `rewards`
        names = self.reward_func_names
        # Before skipped rollouts become NaN, and before the bonus that depends on it is filled in
        accuracy = grouped[..., names.index(ACCURACY)].clone() if ACCURACY in names else None
        if self.strategy.bonus_name is not None:
            # Role 0 is vanilla, by the order of every strategy's layout; a skipped rollout has -1
            grouped[..., names.index(self.strategy.bonus_name)] = self.strategy.bonus(accuracy, role == 0)
        # TRL leaves rollouts without any reward out of the baseline and gives them no advantage
        grouped[skipped.bool()] = torch.nan
        weighted = (grouped * self.reward_weights.to(grouped.device)).nansum(-1)
        weighted = weighted.masked_fill(grouped.isnan().all(-1), torch.nan)
        earned = weighted > 0.0 if accuracy is None else accuracy > 0.1
        self._right = (earned & ~skipped.bool()).flatten()
        self._record(self.rollout_metrics.of_rewards(role, weighted, accuracy, lengths))
        self._record_noise()
        # Only now: what excluded rollouts earned is logged above, and must not enter the baseline below
        for number, name in enumerate(roles):
            if name in self.strategy.excluded:
                grouped[role == number] = torch.nan
        weighted = weighted.masked_fill(grouped.isnan().all(-1), torch.nan)
        # TRL's advantages are not known yet
        self._outcome = Outcome(weighted, altered.bool(), torch.empty(0), self.scale_rewards)
        return rewards

    def _own(self, values: torch.Tensor) -> torch.Tensor:
        """Return this process's part of values of all rollouts; each holds one consecutive slice."""
        return values.flatten().chunk(self.accelerator.num_processes)[self.accelerator.process_index]

    def _advantages(self, joint: torch.Tensor) -> torch.Tensor:
        """Return the advantages of this process's rollouts; `joint` : (B,) as TRL computed them."""
        everyone = self.accelerator.gather(joint).view_as(self._outcome.rewards)
        credit = self.strategy.advantages(replace(self._outcome, joint=everyone))
        # The table of completions holds TRL's
        logged = self._logs["advantages"]
        for _ in range(min(everyone.numel(), len(logged))):
            logged.pop()
        logged.extend(credit.flatten().tolist())
        return self._own(credit)

    # Batches

    def _get_train_sampler(self, dataset: Any = None) -> Any:
        return GroupSampler(super()._get_train_sampler(dataset), lambda: int(self.state.epoch or 0))

    def _prepare_inputs(self, generation_batch: Any) -> dict[str, Any]:
        if self.mode == "eval" or not any(CLIP in row or BAD_CLIP in row for row in generation_batch):
            return super()._prepare_inputs(generation_batch)
        # As TRL does, but a group stays together: what its rollouts share is then shared within a micro-batch
        chunks = self.args.steps_per_generation
        # TRL's schedule: what is generated serves all its micro-batches, `num_iterations` times over
        if self._step % (chunks * self.num_iterations) == 0 or self._buffered_inputs is None:
            output = self._generate_and_score_completions(generation_batch)
            kept = sum(role not in self.strategy.excluded for role in self.strategy.layout)
            if self.args.dynamic_sampling:
                output = self._with_mixed_groups(output, len(generation_batch), kept)
            seed = (self.args.seed, self.state.global_step, self.accelerator.process_index)
            self._buffered_inputs = split_by_group(output, chunks, kept, seed)
        return self._buffered_inputs[self._step % chunks]

    def _without_unused(self, output: dict[str, Any], rollouts: Sequence[Rollout]) -> dict[str, Any]:
        """Take skipped rollouts out of the loss and excluded ones out of the batch."""
        if not self.strategy.excluded and self.args.on_bad_video != "skip":
            return output
        output = mask_rows(output, torch.tensor([rollout.skipped for rollout in rollouts]))
        if self.mode == "train":
            output = drop_rows(output, torch.tensor([rollout.role in self.strategy.excluded for rollout in rollouts]))
        # TRL counted the tokens before rows left; the loss divides by this
        return output | {"num_items_in_batch": self.accelerator.gather(output["completion_mask"].sum()).sum()}

"""TRL's SFTTrainer on video: rows as media.py makes them for generation, with the answer behind them.

Questions about one clip that meet in a batch pay for it once (`share_vision`, `share_prefix`), and `questions_per_clip`
makes them meet. The loss is TRL's own: it is given a model that adds the videos (`train/log_probs.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from trl import SFTTrainer

from ocr_hf.models.branches import IGNORED
from ocr_hf.models.families import trainable_family
from ocr_hf.models.media import VideoInputs, media_id, prompt_ids, with_video, without_video
from ocr_hf.models.padding import right_padded
from ocr_hf.train import checks
from ocr_hf.train.checkpoints import WholeCheckpoints
from ocr_hf.train.clip_loader import BAD_CLIP, CLIP, BadRow, ClipLoader, encode_clip, row_name
from ocr_hf.train.clip_sampler import ClipSampler, clip_names
from ocr_hf.train.config import OCRSFTConfig
from ocr_hf.train.grounding import with_grounding
from ocr_hf.train.log_probs import VideoConditionedModel, check_sharing, without_training
from ocr_hf.train.sharing import SharesVideos
from ocr_hf.train.training_rows import answer
from ocr_hf.train.video_store import MediaId, VideoStore, freeze_vision

if TYPE_CHECKING:
    from transformers import ProcessorMixin


class SFTCollator:
    """Rows with `prompt`, a clip and `completion` to a right-padded batch whose labels are the completions' tokens.

    Rows whose clip is skipped (on_bad_video) stay in the batch without video and without labels.
    """

    def __init__(self, processor: ProcessorMixin, args: OCRSFTConfig, completion: Any) -> None:
        self.processor, self.args, self.completion = processor, args, completion
        self.loader = ClipLoader(args.video_column, args.frames, args.frame_cache_mb * 2**20, args.on_bad_video)

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Return the batch.

        input_ids, attention_mask, labels : (B, L) int64
        media_ids : of each row, the id of its video, None without one
        videos : media id -> VideoInputs, of each distinct video
        """
        videos: dict[str, VideoInputs] = {}
        ids, labels, media_ids = [], [], []
        for row in self.loader(rows):
            clip = row.get(CLIP)
            media_ids.append(None if clip is None else media_id(clip.id))
            own = []
            if clip is not None:
                if media_ids[-1] not in videos:
                    videos[media_ids[-1]] = encode_clip(
                        self.processor, clip, clip.array, self.args.min_pixels, self.args.max_pixels
                    )
                own = [videos[media_ids[-1]]]
            chat = with_video(row["prompt"]) if own else without_video(row["prompt"])
            prompt = prompt_ids(self.processor, chat, own)
            completion = self._completion_ids(row)
            if self.args.max_length is not None and len(prompt) + len(completion) > self.args.max_length:
                raise BadRow(
                    f"{row_name(row)}: prompt and answer have {len(prompt) + len(completion)} tokens, more than "
                    f"max_length = {self.args.max_length}; cutting them would cut the video, raise max_length or lower "
                    "frames"
                )
            learned = completion if own or BAD_CLIP not in row else [IGNORED] * len(completion)
            ids.append(prompt + completion)
            labels.append([IGNORED] * len(prompt) + learned)
        input_ids, mask = right_padded(ids, self.processor.tokenizer.pad_token_id)
        labels = right_padded(labels, IGNORED)[0]
        return {
            "input_ids": input_ids,
            "attention_mask": mask,
            "labels": labels,
            # Once per video and not once per row: pixels are most of what goes from the data loader to the device
            "media_ids": media_ids,
            "videos": videos,
        }

    def _completion_ids(self, row: Mapping[str, Any]) -> list[int]:
        tokenizer = self.processor.tokenizer
        # The end token is learnt with the answer, or the model would not stop
        return tokenizer(self.completion(row), add_special_tokens=False)["input_ids"] + [tokenizer.eos_token_id]


class OCRSFTTrainer(SharesVideos, WholeCheckpoints, SFTTrainer):
    """Supervised fine-tuning on video: TRL's SFTTrainer with the batch that evaluation and OCR-GRPO use.

    A row has `prompt` (a chat), a video in the column `video_column`, and what `completion` reads. Only the
    completion's tokens are learned.

    Args:
        model: the model to train.
        args: the settings; its `dataset_kwargs` and `remove_unused_columns` are set for rows with videos.
        train_dataset: rows to train on.
        processing_class: the model's processor.
        completion: row -> what the model should write; by default reasoning and answer of an ocr-vsi row.
        **kwargs: as of TRL's SFTTrainer: eval_dataset, callbacks, optimizers, peft_config.

    Raises:
        ValueError: the model's family can't be trained, or can't be sharded as the launch asks; or `questions_per_clip`
            is to order a streamed data set, or rows lack what `grounding_questions` are made from.
        BadRow: a row's video can't be used, and `on_bad_video` is "stop".

    Example:
        >>> from ocr_hf import OCRSFTConfig, OCRSFTTrainer, load_model
        >>> from ocr_hf.data.load import load
        >>> from ocr_hf.train.training_rows import with_prompts
        >>> rows = with_prompts(load("rooms", "recipes", split="train"))
        >>> loaded = load_model("tiny", dtype="float32", device="cpu")
        >>> args = OCRSFTConfig(
        ...     "sft", use_cpu=True, bf16=False, frames=2, max_steps=1, per_device_train_batch_size=2, report_to="none",
        ...     save_strategy="no", disable_tqdm=True,
        ... )
        >>> result = OCRSFTTrainer(loaded.model, args, rows, loaded.processor).train()
        {'train_runtime': ...
        >>> result.global_step
        1
    """

    _tag_names = ["trl", "sft", "ocr-hf"]

    def __init__(
        self,
        model: Any,
        args: OCRSFTConfig,
        train_dataset: Any,
        processing_class: Any,
        completion: Any = answer,
        **kwargs: Any,
    ) -> None:
        if args.questions_per_clip > 1 and not hasattr(train_dataset, "__len__"):
            raise ValueError(
                f"questions_per_clip is {args.questions_per_clip}, but a streamed data set has its own order; load it "
                "whole, or set questions_per_clip to 1"
            )
        if args.grounding_questions:
            train_dataset = with_grounding(train_dataset, args.grounding_questions, args.frames, args.video_column)
        # The collator makes the tokens, video placeholders among them; TRL's preparation knows no clips
        args.dataset_kwargs = {**(args.dataset_kwargs or {}), "skip_prepare_dataset": True}
        # The Trainer would drop the columns that the model's forward doesn't name, the video among them
        args.remove_unused_columns = False
        super().__init__(
            model,
            args,
            data_collator=SFTCollator(processing_class, args, completion),
            train_dataset=train_dataset,
            processing_class=processing_class,
            **kwargs,
        )
        base = self.base_of(self.model)
        family = trainable_family(base.config)
        checks.check_sharding(self.accelerator, family)
        frozen = freeze_vision(base, args.freeze_vision)
        self.videos = self._store(frozen)
        # A mixture of experts balances over rows, which sharing would count otherwise
        self._share_prefix = self._can_share_prefix() and not self.aux_loss_enabled
        self._unchecked = (self._share_prefix or self.videos.share_vision) and not checks.is_sharded(self.accelerator)

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        data = self.train_dataset if train_dataset is None else train_dataset
        count = self.args.questions_per_clip
        if count == 1 or data is None:
            return super()._get_train_sampler(train_dataset)
        names = clip_names(data, self.args.video_column)
        seed = self.args.seed if self.args.data_seed is None else self.args.data_seed
        # From the state: accelerate doesn't pass the epoch on where several processes skip batches of a resumed one
        return ClipSampler(names, count, seed, lambda: int(self.state.epoch or 0))

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Compute TRL's loss of a batch from `SFTCollator`.

        Args:
            model: as accelerate has wrapped it.
            inputs: the batch.
            return_outputs: also return outputs with logits.
            num_items_in_batch: scored tokens of the whole step, which the loss is divided by.

        Returns:
            The loss, and with `return_outputs` the pair of it and the outputs.

        Raises:
            RuntimeError: in the first step, sharing gives other log-probs than separate rows.
        """
        tensors = {name: value for name, value in inputs.items() if name not in ("media_ids", "videos")}
        media_ids = inputs["media_ids"]
        self.videos.clear()
        for name, video in inputs["videos"].items():
            self.videos.add(name, lambda video=video: video)
        self._encode_in_step(self.videos, model)
        present = [name for name in media_ids if name is not None]
        if self._unchecked and self.model.training and len(set(present)) < len(present):
            self._unchecked = False
            self._check(model, tensors, media_ids)

        def conditioned(**arguments: Any) -> Any:
            # TRL calls it anew for logits, each time with the whole batch
            return self._conditioned(model, media_ids, self.videos, self._share_prefix)(**arguments)

        return super().compute_loss(conditioned, tensors, return_outputs, num_items_in_batch)

    def _conditioned(
        self, model: Any, media_ids: Sequence[MediaId], videos: VideoStore, share_prefix: bool
    ) -> VideoConditionedModel:
        # Under DDP and FSDP a process may not run its model more often than the others
        may_split = self.accelerator.num_processes == 1
        base, context = self.base_of(model), self.accelerator.autocast
        return VideoConditionedModel(model, base, videos, media_ids, context, share_prefix, may_split)

    def _check(self, model: Any, tensors: dict[str, torch.Tensor], media_ids: Sequence[MediaId]) -> None:
        """Compare the log-probs of the first batch that shares a clip with those of rows that share nothing."""
        # Other processes may not have such a batch in this step, and DDP's forward can be a collective
        inner = self.accelerator.unwrap_model(model)
        stores = ((self.videos.with_pixels(), False), (self.videos, self._share_prefix))
        with without_training(inner), torch.no_grad(), self.compute_loss_context_manager():
            separate, together = (
                self._conditioned(inner, media_ids, store, share)(**tensors, use_cache=False, fused_lm_head=True)
                for store, share in stores
            )
        learned = tensors["labels"][:, 1:] != IGNORED
        switches = ("share_prefix", "share_vision")
        found = check_sharing(together.log_probs, separate.log_probs, learned, self._number_type, switches)
        self._metrics["train"]["sharing/difference"].append(found)

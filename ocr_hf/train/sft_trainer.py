"""TRL's SFTTrainer on video: the batch that media.py makes for generation, with the answer behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from trl import SFTTrainer

from ocr_hf.models.branches import IGNORED
from ocr_hf.models.families import trainable_family
from ocr_hf.models.media import prompt_ids, token_types, video_arguments, with_video, without_video
from ocr_hf.models.padding import right_padded
from ocr_hf.train import checks
from ocr_hf.train.checkpoints import WholeCheckpoints
from ocr_hf.train.clip_loader import BAD_CLIP, CLIP, BadRow, ClipLoader, encode_clip, row_name
from ocr_hf.train.config import OCRSFTConfig
from ocr_hf.train.training_rows import answer
from ocr_hf.train.video_store import freeze_vision

if TYPE_CHECKING:
    from transformers import ProcessorMixin


class SFTCollator:
    """Rows with `prompt`, a clip and `completion` to a right-padded batch whose labels are the completions' tokens.

    Rows whose clip is skipped (on_bad_video) stay in the batch without video and without labels.
    """

    def __init__(self, processor: ProcessorMixin, args: OCRSFTConfig, completion: Any) -> None:
        self.processor, self.args, self.completion = processor, args, completion
        self.loader = ClipLoader(args.video_column, args.frames, args.frame_cache_mb * 2**20, args.on_bad_video)

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        """Return the batch: input_ids, attention_mask, labels, and what the model needs of the videos."""
        encoded, ids, labels = {}, [], []
        videos = []
        for row in self.loader(rows):
            clip = row.get(CLIP)
            own = []
            if clip is not None:
                if clip.id not in encoded:
                    encoded[clip.id] = encode_clip(
                        self.processor, clip, clip.array, self.args.min_pixels, self.args.max_pixels
                    )
                own = [encoded[clip.id]]
                videos += own
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
        return self._batch(ids, labels, videos)

    def _completion_ids(self, row: Mapping[str, Any]) -> list[int]:
        tokenizer = self.processor.tokenizer
        # The end token is learnt with the answer, or the model would not stop
        return tokenizer(self.completion(row), add_special_tokens=False)["input_ids"] + [tokenizer.eos_token_id]

    def _batch(self, ids: list[list[int]], labels: list[list[int]], videos: list[Any]) -> dict[str, torch.Tensor]:
        input_ids, mask = right_padded(ids, self.processor.tokenizer.pad_token_id)
        batch = {
            "input_ids": input_ids,
            "attention_mask": mask,
            "labels": right_padded(labels, IGNORED)[0],
            "mm_token_type_ids": token_types(input_ids, self.processor),
        }
        if videos:
            batch["pixel_values_videos"] = torch.cat([video.pixel_values_videos for video in videos])
            batch |= video_arguments(self.processor, videos)
        return batch


class OCRSFTTrainer(WholeCheckpoints, SFTTrainer):
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
        ValueError: the model's family can't be trained, or can't be sharded as the launch asks.
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
        base = self.model.get_base_model() if hasattr(self.model, "get_base_model") else self.model
        family = trainable_family(base.config)
        checks.check_sharding(self.accelerator, family)
        freeze_vision(base, args.freeze_vision)

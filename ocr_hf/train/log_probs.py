"""Scoring rows under the video that each one's media id names.

TRL 1.16 has one method that computes log-probs, for old, reference and current policy alike, and it calls the model
without the videos. It is kept as it is and given a model that adds them, and that lays out rows of one video as
branches behind what they share (`models/branches.py`), which then runs once for all of them. TRL's loss of supervised
fine-tuning is given the same model.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from ocr_hf.models import branch_attention
from ocr_hf.models.branches import Branches
from ocr_hf.train.video_store import MediaId, VideoStore

if TYPE_CHECKING:
    from torch.nn.attention.flex_attention import BlockMask
    from transformers import PreTrainedModel


class VideoConditionedModel:
    """A model that adds to each call the videos of the rows it is called with.

    TRL walks a batch in chunks, in order, and calls the model once per chunk; `media_ids` has one entry per row of the
    whole batch, and each call takes those of its rows off the front.

    model : what TRL would have called, with its wrappers; unwrapped : the transformers model inside, for its tower
    context : entered while the vision tower runs, for the same mixed precision as the model's own forward
    share_prefix : what rows of one video begin with is to be run once for all of them
    may_split : a pass that doesn't fit into memory may be run as several
    """

    def __init__(
        self,
        model: Any,
        unwrapped: PreTrainedModel,
        videos: VideoStore,
        media_ids: Sequence[MediaId],
        context: Callable[[], Any],
        share_prefix: bool = False,
        may_split: bool = True,
    ) -> None:
        self.model, self.unwrapped, self.videos, self.context = model, unwrapped, videos, context
        self.waiting = list(media_ids)
        self.share_prefix, self.may_split = share_prefix, may_split

    def __call__(self, *, input_ids: torch.Tensor, **arguments: Any) -> Any:
        rows, self.waiting = self.waiting[: len(input_ids)], self.waiting[len(input_ids) :]
        if len(rows) != len(input_ids):
            raise RuntimeError(
                f"the model was called with {len(input_ids)} rows, but videos of only {len(rows)} are left; this TRL "
                "splits its batches in another way than 1.16 does"
            )
        return self._run(rows, input_ids, arguments)

    def _run(self, rows: Sequence[MediaId], input_ids: torch.Tensor, arguments: dict[str, Any]) -> Any:
        """Run rows, those of one video as branches behind what they share."""
        # Whoever asks for logits wants them of every row as it stands
        if self.share_prefix and "labels" in arguments:
            processor = self.videos.processor
            branches = Branches.of(
                input_ids,
                arguments["labels"],
                arguments["attention_mask"],
                rows,
                processor.tokenizer.pad_token_id,
                processor.video_token_id,
            )
            # Sequences are padded to the longest: one video with many rows beside many with few can cost more
            if len(branches.first) < len(rows) and branches.num_tokens < input_ids.numel():
                try:
                    return self._shared(branches, rows, arguments)
                except torch.OutOfMemoryError as error:
                    return self._in_halves(branches, rows, input_ids, arguments, error)
        with self.context():
            video = self.videos.arguments(self.unwrapped, rows, input_ids)
        mask, grid = arguments["attention_mask"], arguments.get("image_grid_thw")
        positions = self.videos.positions(self.unwrapped, rows, input_ids, mask, grid)
        return self.model(input_ids=input_ids, position_ids=positions, **(arguments | video))

    def _in_halves(
        self,
        branches: Branches,
        rows: Sequence[MediaId],
        input_ids: torch.Tensor,
        arguments: dict[str, Any],
        error: torch.OutOfMemoryError,
    ) -> Any:
        """Run a pass in two smaller ones; with a gradient both would be held in memory, so not such a one."""
        count, length = branches.input_ids.shape
        size = f"a shared pass of {count} sequences of {length} tokens ({len(rows)} rows) doesn't fit into memory"
        # Under DDP and FSDP a process may not run its model more often than the others
        if torch.is_grad_enabled() or not self.may_split:
            raise torch.OutOfMemoryError(
                f"{size}; lower per_device_train_batch_size (raise gradient_accumulation_steps for it), max_pixels, "
                "frames or max_completion_length"
            ) from error
        warnings.warn(f"{size}; it is run in halves", stacklevel=2)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        half = len(rows) // 2
        parts = [
            self._run(
                rows[part],
                input_ids[part],
                {k: v[part] if isinstance(v, torch.Tensor) else v for k, v in arguments.items()},
            )
            for part in (slice(None, half), slice(half, None))
        ]
        names = _per_token(parts[0], parts[0].log_probs)
        return type(parts[0])(**{name: torch.cat([part[name] for part in parts]) for name in names})

    def _shared(self, branches: Branches, rows: Sequence[MediaId], arguments: dict[str, Any]) -> Any:
        """Return what TRL reads of each token, (B, L - 1), of rows that run as branches; 0 where nothing is scored."""
        media_ids = [rows[row] for row in branches.first.tolist()]
        with self.context():
            video = self.videos.arguments(self.unwrapped, media_ids, branches.input_ids)
        prompts = self.videos.positions(self.unwrapped, media_ids, branches.prompts, branches.prompt_mask)
        # The first axis counts text tokens, which the mask of branches makes needless
        positions = branches.positions(prompts[1:])
        rest = {name: value for name, value in arguments.items() if name not in ("attention_mask", "labels")}
        output = self.model(
            input_ids=branches.input_ids,
            attention_mask=attention_mask(self.unwrapped, branches),
            position_ids=positions,
            shift_labels=branches.labels,
            **(rest | video),
        )
        return type(output)(**{n: branches.per_row(output[n]) for n in _per_token(output, branches.labels)})

    def check_all_used(self) -> None:
        """Raise RuntimeError where the model was called for fewer rows than have a video."""
        if self.waiting:
            raise RuntimeError(
                f"{len(self.waiting)} rollouts were scored without their video; this TRL splits its batches in another "
                "way than 1.16 does"
            )


def _per_token(output: Any, like: torch.Tensor) -> list[str]:
    """Return the names of what an output says of every token; the mean loss beside it isn't read."""
    return [name for name, value in output.items() if value.shape == like.shape]


ATTENTION = ("sdpa", "eager", branch_attention.NAME)
"""Implementations that take a mask of any shape."""


def why_not_branches(model: PreTrainedModel) -> str | None:
    """Return why a model can't run completions as branches behind their prompt, or None if it can."""
    text = model.config.get_text_config()
    if text._attn_implementation not in ATTENTION:
        return f"its attention is {text._attn_implementation}, which takes no such mask; use {' or '.join(ATTENTION)}"
    other = set(getattr(text, "layer_types", None) or ["full_attention"]) - {"full_attention"}
    if other:
        return f"it has layers with {min(other)}, for which a token's distance counts"
    return None


def attention_mask(model: PreTrainedModel, branches: Branches) -> torch.Tensor | BlockMask:
    """Return which token sees which, (S, 1, T, T) or as blocks, as the model's attention takes it."""
    implementation = model.config.get_text_config()._attn_implementation
    if implementation == branch_attention.NAME:
        return branches.block_mask()
    allowed = branches.allowed()
    if implementation == "sdpa":
        return allowed
    mask = torch.zeros(allowed.shape, dtype=model.dtype, device=allowed.device)
    return mask.masked_fill(~allowed, torch.finfo(model.dtype).min)


TOLERANCE = {torch.float64: 1e-6, torch.float32: 1e-4, torch.bfloat16: 0.05, torch.float16: 0.02}
"""Nats a token by which log-probs of a shared pass may differ from those of separate rows, on average. Rounding stays
a tenth of these; a wrong video, position or mask is above 0.1."""


@contextmanager
def without_training(model: Any, inside_only: bool = False) -> Iterator[None]:
    """Switch dropout off, which would be drawn anew in each pass.

    inside_only : the model itself still says that it trains, for that tells which mode the trainer is in
    """
    # Each part goes back to its own state: one call may stand within another
    training = [part for part in model.modules() if part.training and not (inside_only and part is model)]
    for part in training:
        part.training = False
    try:
        yield
    finally:
        for part in training:
            part.training = True


def check_sharing(
    together: torch.Tensor,
    separate: torch.Tensor,
    mask: torch.Tensor,
    number_type: torch.dtype,
    switches: Sequence[str] = ("share_prefix", "share_prefill", "share_vision"),
) -> float:
    """Return how far log-probs (B, C) of a shared pass are from those of separate rows, in nats a token.

    mask : (B, C) the tokens that count
    switches : the settings that share, for the message
    Raises RuntimeError where that is more than the number type explains.
    """
    difference = (together.double() - separate.double()).abs()[mask.bool()]
    allowed = TOLERANCE.get(number_type, TOLERANCE[torch.bfloat16])
    mean = float(difference.mean()) if difference.numel() else 0.0
    # NaN fails the comparison
    if not mean <= allowed:
        raise RuntimeError(
            f"log-probs of the first step differ by {mean:.3g} nats a token (at most {float(difference.max()):.3g}) "
            f"from those of rows that share nothing; {allowed:g} is allowed in {number_type}. Set "
            f"{', '.join(switches[:-1])} and {switches[-1]} to false to train without sharing, and report the model "
            "and this message"
        )
    return mean


FARTHEST = 20.0
"""Nats between two log-probs of a token beyond which more doesn't count, or the exponential would overflow."""


def k3(sampled_under: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Estimate KL(p || q) on tokens that were sampled from p, one value a token.

    sampled_under, other : log-probs of the tokens under p and q
    The estimator is k3 of Schulman's note, as in TRL: exp(d) - d - 1 with d = log q - log p. It has the mean of the
    plain -d and less variance, and no token makes it negative.
    """
    difference = (other - sampled_under).clamp(-FARTHEST, FARTHEST)
    return difference.exp() - difference - 1


def k3_divergence(sampled_under: torch.Tensor, other: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return [sum of `k3`, tokens] where `mask` is set; all (B, C)."""
    return torch.stack([(k3(sampled_under, other) * mask).sum(), mask.sum()])

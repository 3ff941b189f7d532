"""Rollouts by vLLM inside the trainer's process (`use_vllm`, `vllm_mode: colocate`), each from its own video.

Kept from TRL: the engine, its settings, the weights pushed to it, sampling. TRL's `VLLMGeneration` sends prompts
without video, so it is given an engine that adds them: frames of exactly the pixels that are scored, under their media
id, with one video token in the prompt, which vLLM expands. One request a rollout; vLLM keeps the features of a media id
and the beginning of a prompt, so a group's video and prompt run once all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from ocr_hf.models.families import family_of
from ocr_hf.models.media import VideoInputs, token_types
from ocr_hf.models.video_frames import vllm_fields
from ocr_hf.train.video_store import MediaId

if TYPE_CHECKING:
    from transformers import PreTrainedModel, ProcessorMixin


@dataclass(frozen=True)
class Request:
    """What vLLM is asked for one rollout.

    prompt : token ids with one token for a video; media_id, video : None without one
    """

    prompt: Sequence[int]
    media_id: MediaId = None
    video: VideoInputs | None = None


class VLLMSampler:
    """TRL's `VLLMGeneration`, whose prompts can have videos; everything else of it is as TRL has it.

    Args:
        generation: With its engine in this process.
        model: The transformers model inside, for the positions of its tokens.
        processor: Of the model.
        comparable: Whether its log-probs can be compared with the scorer's.

    Attributes:
        unchecked: Whether that comparison is still to be made for the first time.

    Raises:
        ValueError: The engine takes no weights or no positions from outside.
    """

    def __init__(
        self, generation: Any, model: PreTrainedModel, processor: ProcessorMixin, comparable: bool = True
    ) -> None:
        self._generation = generation
        self._processor = processor
        self._requests: Sequence[Request] | None = None
        self._comparable = comparable
        self.unchecked = True
        inside = generation.llm.llm_engine.model_executor.driver_worker.model_runner.model
        if any(parameter.numel() == 0 for parameter in inside.parameters()):
            raise ValueError(
                "this vLLM has packed the model's weights when it loaded them, as its CPU build does, and takes no new "
                "ones, so that rollouts would be those of the untrained model; train on a GPU, or set use_vllm to false"
            )
        never = family_of(model.config).unsampled_tokens(model.config)
        # The least that vLLM takes: exp(-100) of what the token would have
        bias = dict(generation.generation_kwargs.get("logit_bias") or {}) | dict.fromkeys(sorted(never), -100.0)
        generation.generation_kwargs = generation.generation_kwargs | {"logit_bias": bias}
        use_positions_of(model, processor, inside)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._generation, name)

    @property
    def number_type(self) -> torch.dtype:
        """What the engine computes in."""
        return self._generation.llm.llm_engine.model_config.dtype

    def sync_weights(self) -> None:
        """Push the weights to the engine, and make it forget everything that it made with others.

        Raises:
            RuntimeError: It keeps the beginnings of prompts.
        """
        self._generation.sync_weights()
        # TRL empties the cache of prompts alone (trl#7198); vision features were made with the old weights, too
        llm = self._generation.llm
        llm.llm_engine.reset_encoder_cache()
        if llm.reset_prefix_cache() is False:
            raise RuntimeError(
                "vLLM has not emptied its cache of prompts after new weights were pushed to it, so it would go on from "
                "what the old ones made; set use_vllm to false, and report this"
            )

    def due(self, step: int, every: int) -> bool:
        """Return whether its log-probs are to be compared with the scorer's.

        Args:
            step: Of the training.
            every: Steps between two comparisons; 0 = at the first batch only.
        """
        return self._comparable and (self.unchecked or bool(every) and step % every == 0)

    @contextmanager
    def asked(self, requests: Sequence[Request]) -> Iterator[None]:
        """Take the prompts of the next generation from these requests, one per rollout."""
        self._requests = requests
        try:
            yield
        finally:
            self._requests = None

    def generate(
        self, prompts: Sequence[Sequence[int]], images: Any, num_generations: int, profiler: Any = None
    ) -> Any:
        """Generate as TRL's `VLLMGeneration.generate` does, from videos where requests with videos are waiting.

        Args:
            prompts: Token ids of each rollout, videos expanded, as they are scored.
            images: As in TRL; None with videos.
            num_generations: As in TRL.
            profiler: As in TRL.

        Raises:
            RuntimeError: vLLM has made other prompts of the videos.
        """
        if self._requests is None:
            return self._generation.generate(prompts, images, num_generations, profiler)
        llm = self._generation.llm
        self._generation.llm = _WithVideos(llm, self._requests, self._processor)
        try:
            short = [list(request.prompt) for request in self._requests]
            found = self._generation.generate(short, None, num_generations, profiler)
        finally:
            self._generation.llm = llm
        for request, expected, seen in zip(self._requests, prompts, found[0], strict=True):
            if list(expected) != list(seen):
                raise RuntimeError(
                    f"vLLM has expanded the prompt of media id {request.media_id} to {len(seen)} tokens, the scorer to "
                    f"{len(expected)}, or to others; set use_vllm to false, and report the model and both versions"
                )
        return found


class _WithVideos:
    """vLLM's `LLM`, which adds its video to each prompt that it is given."""

    def __init__(self, llm: Any, requests: Sequence[Request], processor: ProcessorMixin) -> None:
        self._llm, self._requests, self._processor = llm, requests, processor

    def __getattr__(self, name: str) -> Any:
        return getattr(self._llm, name)

    def generate(self, prompts: Sequence[dict[str, Any]], **arguments: Any) -> Any:
        fields: dict[str, dict[str, Any]] = {}
        for request in self._requests:
            if request.media_id is not None and request.media_id not in fields:
                fields[request.media_id] = vllm_fields(request.video, request.media_id, self._processor)
        # Rows without a video have the media id None and get nothing
        seen = [
            prompt | fields.get(request.media_id, {}) for prompt, request in zip(prompts, self._requests, strict=True)
        ]
        return self._llm.generate(seen, **arguments)


def use_positions_of(model: PreTrainedModel, processor: ProcessorMixin, engine_model: Any) -> None:
    """Let the engine place the tokens of a prompt with videos where the scorer places them.

    vLLM has code of its own for them; the family's is asked instead, so that one rule holds for both.

    Args:
        model: The scorer, without wrappers; no weights of it are read.
        processor: Of the model.
        engine_model: vLLM's model, whose `get_mrope_input_positions` is replaced.

    Raises:
        ValueError: It has no such method.
    """
    of_vllm: Callable[..., Any] | None = getattr(engine_model, "get_mrope_input_positions", None)
    if of_vllm is None:
        raise ValueError(
            f"vLLM's {type(engine_model).__name__} has no get_mrope_input_positions, so that it cannot be given the "
            "positions of tokens that are scored; set use_vllm to false"
        )
    family = family_of(model.config)

    def positions(input_tokens: list[int], mm_features: list[Any]) -> tuple[torch.Tensor, int]:
        if not mm_features or any(feature.modality != "video" for feature in mm_features):
            return of_vllm(input_tokens, mm_features)
        ids = torch.tensor([input_tokens])
        in_order = sorted(mm_features, key=lambda feature: feature.mm_position.offset)
        video = {
            "mm_token_type_ids": token_types(ids, processor),
            "video_grid_thw": torch.stack([feature.data["video_grid_thw"].data for feature in in_order]),
        }
        if "second_per_grid_ts" in in_order[0].data:
            times = [float(feature.data["second_per_grid_ts"].data) for feature in in_order]
            video["second_per_grid_ts"] = torch.tensor(times)
        found = family.positions(model, ids, torch.ones_like(ids), video)[:, 0]
        # What vLLM adds to a sampled token's number; text goes on by one from the prompt's last token
        return found, int(found[0, -1]) + 1 - len(input_tokens)

    engine_model.get_mrope_input_positions = positions

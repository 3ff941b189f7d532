"""The videos of a generation batch under their media ids, and what the vision tower makes of each, once.

Prompts and rollouts carry ids, never frames. Vanilla and noisy copies of a clip have identical tokens, so whatever
rollouts share (pixels, vision features) is looked up by media id here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from ocr_hf.models.branches import Branches
from ocr_hf.models.families import family_of
from ocr_hf.models.media import VideoInputs, token_types, video_arguments

if TYPE_CHECKING:
    from transformers import PreTrainedModel, ProcessorMixin
    from transformers.modeling_outputs import BaseModelOutputWithPooling

MediaId = str | None
"""The id of a rollout's video; None for a row without one."""


class VideoStore:
    """Videos by media id, and the arguments with which a model is called for a list of them.

    share_vision : run the vision tower once per distinct video and pass its features to the model
        (`mm_encoder_outputs`), instead of passing each rollout's pixels
    frozen : the vision tower does not train; its features then last as long as the videos do
    """

    def __init__(self, processor: ProcessorMixin, share_vision: bool, frozen: bool) -> None:
        self.processor = processor
        self.share_vision = share_vision
        self.frozen = frozen
        self.videos: dict[str, VideoInputs] = {}
        self.encoded = 0
        self._features: dict[tuple[int, str], dict[str, Any]] = {}

    def with_pixels(self) -> VideoStore:
        """Return the same videos for a model that runs its tower itself, for each rollout."""
        store = VideoStore(self.processor, False, self.frozen)
        store.videos = self.videos
        return store

    def clear(self) -> None:
        """Forget every video."""
        self.videos.clear()
        self._features.clear()

    def add(self, media_id: str, make: Callable[[], VideoInputs]) -> VideoInputs:
        """Return the video of an id, made by `make` where it is new."""
        if media_id not in self.videos:
            self.videos[media_id] = make()
        return self.videos[media_id]

    def arguments(
        self, model: PreTrainedModel, media_ids: Sequence[MediaId], input_ids: torch.Tensor
    ) -> dict[str, Any]:
        """Return the model's video arguments for rollouts, in their order.

        model : the unwrapped model, whose vision tower is used
        input_ids : (B, L) of the same rollouts, prompts expanded
        Always holds `mm_token_type_ids`, without which the model silently uses 1D positions.
        """
        device = input_ids.device
        arguments: dict[str, Any] = {"mm_token_type_ids": token_types(input_ids, self.processor)}
        present = [media_id for media_id in media_ids if media_id is not None]
        if not present:
            return arguments
        videos = [self.videos[media_id] for media_id in present]
        arguments |= {k: v.to(device) for k, v in video_arguments(self.processor, videos).items()}
        if self.share_vision:
            arguments["mm_encoder_outputs"] = {"video": self._features_of(model, present, device)}
        else:
            arguments["pixel_values_videos"] = torch.cat([video.pixel_values_videos for video in videos]).to(device)
        return arguments

    def positions(self, model: PreTrainedModel, media_ids: Sequence[MediaId], branches: Branches) -> torch.Tensor:
        """Return the positions of the prompts of branches, (3, S, P), along time, height and width.

        model : the unwrapped model; media_ids : (S,) the videos of the sequences
        """
        mask = branches.prompt_mask
        videos = [self.videos[media_id] for media_id in media_ids if media_id is not None]
        if not videos:
            return (mask.cumsum(-1) - 1).clamp(min=0).expand(3, -1, -1)
        given = {"mm_token_type_ids": token_types(branches.prompts, self.processor)}
        given |= {k: v.to(mask.device) for k, v in video_arguments(self.processor, videos).items()}
        return family_of(model.config).positions(model, branches.prompts, mask, given)

    def _features_of(
        self, model: PreTrainedModel, media_ids: list[str], device: torch.device
    ) -> BaseModelOutputWithPooling:
        """Return the vision features of the videos in order.

        The key names the model too: the reference model of a full fine-tune has a tower of its own.
        """
        family = family_of(model.config)
        # A tower that trains changes with every step and its features carry a graph, so they serve one call only
        features = self._features if self.frozen else {}
        missing = [media_id for media_id in dict.fromkeys(media_ids) if (id(model), media_id) not in features]
        if missing:
            pixels = torch.cat([self.videos[media_id].pixel_values_videos for media_id in missing]).to(device)
            grid = torch.cat([self.videos[media_id].video_grid_thw for media_id in missing]).to(device)
            # A tower that trains needs its graph in the loss, but not where TRL scores without a gradient
            with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
                parts = family.video_features(model, pixels, grid)
            self.encoded += len(missing)
            features |= {(id(model), media_id): part for media_id, part in zip(missing, parts, strict=True)}
        return family.joined_features([features[id(model), media_id] for media_id in media_ids])


def freeze_vision(model: nn.Module, freeze: bool) -> bool:
    """Freeze the vision tower if asked to; return whether nothing of it trains."""
    tower = family_of(model.config).vision_tower(model)
    if tower is None:
        return True
    if freeze:
        tower.requires_grad_(False)
    return not any(parameter.requires_grad for parameter in tower.parameters())

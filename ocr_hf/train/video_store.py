"""The videos of a generation batch under their media ids, and what the vision tower makes of each, once.

Prompts and rollouts carry ids, never frames. Vanilla and noisy copies of a clip have identical tokens, so whatever
rollouts share (pixels, vision features) is looked up by media id here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from ocr_hf.models.families import ModelFamily, family_of
from ocr_hf.models.media import VideoInputs, prompt_positions, token_types, video_arguments

if TYPE_CHECKING:
    from transformers import PreTrainedModel, ProcessorMixin
    from transformers.modeling_outputs import BaseModelOutputWithPooling

MediaId = str | None
"""The id of a rollout's video; None for a row without one."""

Tower = Callable[[torch.Tensor, torch.Tensor], list[dict[str, Any]]]
"""(pixels of several videos, grid (videos, 3)) -> what `ModelFamily.video_features` gives for each"""


class VideoStore:
    """Videos by media id, and the arguments with which a model is called for a list of them.

    share_vision : run the vision tower once per distinct video and pass its features to the model
        (`mm_encoder_outputs`), instead of passing each rollout's pixels; of a noisy copy only the steps of the grid
        that differ from the recorded clip, where the tower attends within a step
    frozen : the vision tower does not train; its features then last as long as the videos do
    in_step : parameters are sharded, so that a run of the tower is something that all processes do together: features
        are made by `encode` alone, which each calls as often as the others, whatever its videos are
    """

    def __init__(self, processor: ProcessorMixin, share_vision: bool, frozen: bool, in_step: bool = False) -> None:
        self.processor = processor
        self.share_vision = share_vision
        self.frozen = frozen
        self.in_step = in_step
        self.videos: dict[str, VideoInputs] = {}
        self.encoded = 0
        self.encoded_steps = 0
        self._recorded: dict[str, str] = {}
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
        self._recorded.clear()

    def keep(self, media_ids: Collection[MediaId]) -> None:
        """Forget all videos but these."""
        for name in [name for name in self.videos if name not in media_ids]:
            del self.videos[name]
            self._recorded.pop(name, None)
        self._features = {key: value for key, value in self._features.items() if key[1] in self.videos}

    def add(self, media_id: str, make: Callable[[], VideoInputs], recorded: str | None = None) -> VideoInputs:
        """Return the video of an id, made by `make` where it is new.

        recorded : id of the clip that it is a copy of
        """
        if media_id not in self.videos:
            self.videos[media_id] = make()
        if recorded is not None and recorded != media_id:
            self._recorded[media_id] = recorded
        return self.videos[media_id]

    def _changed_steps(self, media_id: str, family: ModelFamily) -> torch.Tensor | None:
        """Return which steps (T,) bool of a copy's grid differ from the recorded clip; None to encode it whole."""
        recorded = self.videos.get(self._recorded.get(media_id, ""))
        copy = self.videos[media_id]
        # Where a patch can attend to other steps, equal pixels don't make equal features
        if family.tower.attends_within != "pair" or recorded is None:
            return None
        if not torch.equal(recorded.video_grid_thw, copy.video_grid_thw):
            return None
        steps = int(copy.video_grid_thw[0, 0])
        same = recorded.pixel_values_videos.to(copy.pixel_values_videos.device) == copy.pixel_values_videos
        return ~same.view(steps, -1).all(1).cpu()

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

    def positions(
        self,
        model: PreTrainedModel,
        media_ids: Sequence[MediaId],
        input_ids: torch.Tensor,
        mask: torch.Tensor,
        image_grid: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return the positions of rows, (4, B, L): of the text, then along time, height and width.

        model : the unwrapped model; media_ids : (B,) the videos of the rows
        input_ids, mask : (B, L), prompts expanded; image_grid : (images, 3) of pictures in the rows
        """
        videos = [self.videos[media_id] for media_id in media_ids if media_id is not None]
        return prompt_positions(model, self.processor, input_ids, mask, videos, image_grid).to(input_ids.device)

    def encode(self, model: PreTrainedModel, tower: Tower, device: torch.device) -> None:
        """Run the vision tower on all videos that have no features yet: once, on an empty one where there is none.

        Args:
            model: The unwrapped model, whose features they are.
            tower: Runs its tower: pixels and grid of several videos -> the features of each.
            device: Where to.
        """
        missing = [media_id for media_id in self.videos if (id(model), media_id) not in self._features]
        if missing:
            self._add_features(self._features, model, missing, tower, device)
        else:
            pixels, grid = empty_video(self.processor)
            with torch.no_grad():
                tower(pixels.to(device), grid.to(device))

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
        if missing and self.in_step:
            raise RuntimeError(
                f"the video {missing[0]} has no features, and with sharded parameters one process alone can't make "
                "them; set share_vision to false, and report this message"
            )
        self._add_features(features, model, missing, partial(family.video_features, model), device)
        return family.joined_features([features[id(model), media_id] for media_id in media_ids])

    def _add_features(
        self,
        features: dict[tuple[int, str], dict[str, Any]],
        model: PreTrainedModel,
        missing: list[str],
        tower: Tower,
        device: torch.device,
    ) -> None:
        """Add the features of videos that have none: one run of the tower, where any pixels are new."""
        family = family_of(model.config)
        # Recorded clips first: their copies are put together from them
        missing = sorted(missing, key=lambda media_id: media_id in self._recorded)
        at_hand = {media_id for key, media_id in features if key == id(model)} | set(missing)
        changed = {
            media_id: self._changed_steps(media_id, family)
            for media_id in missing
            if self._recorded.get(media_id) in at_hand
        }
        wanted = [(media_id, changed.get(media_id)) for media_id in missing]
        run = [(media_id, steps) for media_id, steps in wanted if steps is None or steps.any()]
        parts = iter(())
        if run:
            taken = [_steps_of(self.videos[media_id], steps) for media_id, steps in run]
            pixels, grid = (torch.cat(tensors).to(device) for tensors in zip(*taken, strict=True))
            # A tower that trains needs its graph in the loss, but not where TRL scores without a gradient
            with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
                parts = iter(tower(pixels, grid))
            self.encoded += len(run)
            self.encoded_steps += int(grid[:, 0].sum())
        for media_id, steps in wanted:
            if steps is None:
                features[id(model), media_id] = next(parts)
                continue
            base = features[id(model), self._recorded[media_id]]
            features[id(model), media_id] = _patched(base, next(parts), steps) if steps.any() else base


def empty_video(processor: ProcessorMixin) -> tuple[torch.Tensor, torch.Tensor]:
    """Return pixels and grid (1, 3) of the smallest video that a tower can run, a single token of zeros."""
    video = processor.video_processor
    patches = video.merge_size**2
    size = 3 * video.temporal_patch_size * video.patch_size**2
    return torch.zeros(patches, size), torch.tensor([[1, video.merge_size, video.merge_size]])


def _steps_of(video: VideoInputs, steps: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the pixels and the grid (1, 3) of some steps (T,) bool of a video, of all where that is None."""
    pixels, grid = video.pixel_values_videos, video.video_grid_thw
    if steps is None:
        return pixels, grid
    chosen = pixels.view(len(steps), -1, pixels.shape[-1])[steps.to(pixels.device)]
    grid = grid.clone()
    grid[0, 0] = int(steps.sum())
    return chosen.flatten(0, 1), grid


def _patched(base: dict[str, Any], part: dict[str, Any], steps: torch.Tensor) -> dict[str, Any]:
    """Return the features of a clip with those of some steps (T,) bool of its grid replaced, in every level."""

    def replaced(whole: Any, piece: Any) -> Any:
        if isinstance(whole, list | tuple):
            return [replaced(each, other) for each, other in zip(whole, piece, strict=True)]
        if not isinstance(whole, torch.Tensor):
            return whole
        rows = whole.view(len(steps), -1, whole.shape[-1]).clone()
        rows[steps.to(whole.device)] = piece.view(int(steps.sum()), -1, whole.shape[-1]).to(whole.dtype)
        return rows.flatten(0, 1)

    return {name: replaced(value, part[name]) for name, value in base.items()}


def freeze_vision(model: nn.Module, freeze: bool) -> bool:
    """Freeze the vision tower if asked to; return whether nothing of it trains."""
    tower = family_of(model.config).vision_tower(model)
    if tower is None:
        return True
    if freeze:
        tower.requires_grad_(False)
    return not any(parameter.requires_grad for parameter in tower.parameters())

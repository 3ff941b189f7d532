"""Model families: what one kind of video language model wants, in one entry under transformers' `model_type`.

Everything in this package that differs from family to family is asked of the entry; nothing looks at class names. A
model type without an entry is `OTHER`: its own processor makes its inputs, and it can be evaluated but not trained, as
those of `asked_only.py`, which say why.
`docs/model-families.md` says how to add one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any, Literal

from ocr_hf.registry import Registry

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, ProcessorMixin

LANGUAGE_MODEL_LINEARS = r"^model\.language_model\..*\.(q|k|v|o|gate|up|down)_proj$"
"""Attention and MLP of the language model; not the vision tower, whose layers have the same names."""


@dataclass(frozen=True)
class VideoProcessing:
    """What the processor of a family does with a video that is already sampled.

    Args:
        processor: The processor's class, or its name in transformers. Families that share a class share its behaviour.
        pixel_bound: Whether the processor's size bounds one frame or all pixels of the video.
        seconds_per_grid: Whether the model takes `second_per_grid_ts` for its temporal positions. Others read the times
            from the text between the frames, or have none.
    """

    processor: str | type
    pixel_bound: Literal["frame", "video"]
    seconds_per_grid: bool

    def processor_class(self) -> type:
        """Return the processor's class."""
        if isinstance(self.processor, str):
            import transformers

            return getattr(transformers, self.processor)
        return self.processor


@dataclass(frozen=True)
class VisionTower:
    """The part of a model that turns pixels into features.

    Args:
        path: Where it stands in the model, as attributes joined by dots.
        layer: Class name of its layers, which FSDP wraps.
        attends_within: What a patch can attend to: `pair`, the frames that share a temporal patch, or `video`. Features
            of one pair do not depend on the other pairs where it is `pair`.
        features_last: Whether the features of a video may be computed once and used for many rollouts
            (`get_video_features`, passed to the model as `mm_encoder_outputs`).
        deep_stack: Whether features come in levels that enter several layers of the language model.
    """

    path: str
    layer: str
    attends_within: Literal["pair", "video"]
    features_last: bool = True
    deep_stack: bool = False


@dataclass(frozen=True)
class TinyParts:
    """How to build a small model of a family with random weights; see `models/tiny.py`.

    Args:
        patch: Pixels of a patch's side.
        video_block: What the chat template writes for a video block.
        processor: (size, tokenizer, chat template, patch) -> the processor.
        config: (size, context, tokenizer, reference folder or None) -> the model's configuration.
        takes_reference: Whether a folder with a real model's configuration and tokenizer can be given.
    """

    patch: int
    video_block: str
    processor: Callable[..., ProcessorMixin]
    config: Callable[..., Any]
    takes_reference: bool = False


Check = Callable[[Any, Any], str | None]
"""(configuration, processor) -> what is wrong, as the rest of a sentence with the way out, or None"""


@dataclass(frozen=True)
class ModelFamily:
    """One family of video language models.

    Args:
        title: What people call it.
        processing: How its processor takes video; None where inputs are left to the model's own processor, unchecked.
        tower: Its vision tower; None where nothing is known of it.
        decoder_layer: Class name of the language model's layers, which FSDP wraps.
        lora_targets: Pattern of the modules that a LoRA adapter takes.
        never_sampled: Names in the configuration of tokens that stand for media, for which a sampled token has neither
            features nor a position.
        checks: What is checked of a model's configuration and processor when it is loaded.
        tiny: How to build a small one, None where it can't be.
        trains: Whether it can be trained here.
        why_not_trained: Why not, as the rest of a sentence.
        samples_by_vllm: Whether its rollouts may come from vLLM, which then sees what transformers sees; proved by
            `make test-vllm`.

    Raises:
        ValueError: It is to be trained, but says nothing of its processor, tower or layers.
    """

    title: str
    processing: VideoProcessing | None = None
    tower: VisionTower | None = None
    decoder_layer: str | None = None
    lora_targets: str | None = None
    never_sampled: tuple[str, ...] = ("image_token_id", "video_token_id")
    checks: tuple[Check, ...] = ()
    tiny: TinyParts | None = None
    trains: bool = False
    why_not_trained: str | None = None
    samples_by_vllm: bool = False

    def __post_init__(self) -> None:
        needed = ("processing", "tower", "decoder_layer", "lora_targets")
        missing = [name for name in needed if getattr(self, name) is None]
        if self.trains and missing:
            raise ValueError(
                f"the model family '{self.title}' is to be trained, but lacks {', '.join(missing)}; give them, or set "
                "trains to False to evaluate it only"
            )

    @property
    def layer_classes(self) -> tuple[str, ...]:
        """Class names of the layers that FSDP wraps, the language model's first."""
        return tuple(name for name in (self.decoder_layer, self.tower and self.tower.layer) if name)

    def vision_tower(self, model: PreTrainedModel) -> torch.nn.Module | None:
        """Return the vision tower of a model without wrappers; None where the family says nothing of it."""
        return None if self.tower is None else reduce(getattr, self.tower.path.split("."), model)

    def unsampled_tokens(self, config: Any) -> set[int]:
        """Return the ids of the tokens that must never be sampled."""
        return {getattr(config, name, None) for name in self.never_sampled} - {None}

    def positions(
        self, model: PreTrainedModel, ids: torch.Tensor, mask: torch.Tensor, video: Mapping[str, torch.Tensor]
    ) -> torch.Tensor:
        """Return (3, B, L) positions along time, height and width of prompts with videos.

        What follows a video stands behind the last of its positions along all axes, as in Qwen's own code and in
        transformers up to 5.2, with which the published models were trained. transformers 5.23 goes on behind the
        larger side of the video's grid, in the middle of a long clip (its issue 45381).

        Args:
            model: A model of this family, without wrappers.
            ids: (B, L) token ids.
            mask: (B, L), 0 where a row is padded.
            video: `mm_token_type_ids`, what `media.video_arguments` says of the videos, and the grids of images.
        """
        found = model.model.get_rope_index(ids, attention_mask=mask, **video)[0]
        return behind_all_axes(found, video["mm_token_type_ids"], mask)

    def video_features(self, model: PreTrainedModel, pixels: torch.Tensor, grid: torch.Tensor) -> list[dict[str, Any]]:
        """Return what the vision tower gives for each of several videos: its tokens and the levels of a deep stack.

        Args:
            model: A model of this family, without wrappers.
            pixels: Patches of all videos, video after video.
            grid: (videos, 3), patches along time, height and width.
        """
        output = model.get_video_features(pixels, grid, return_dict=True)
        parts = [{"kind": type(output), "pooler_output": tokens} for tokens in output.pooler_output]
        if self.tower.deep_stack:
            for row, part in enumerate(parts):
                part["deepstack_features"] = [level[row] for level in output.deepstack_features]
        return parts

    def joined_features(self, parts: Sequence[dict[str, Any]]) -> Any:
        """Return what the tower would have given for these videos together, to be passed as `mm_encoder_outputs`."""
        output = parts[0]["kind"](pooler_output=[part["pooler_output"] for part in parts])
        if self.tower.deep_stack:
            levels = range(len(parts[0]["deepstack_features"]))
            output["deepstack_features"] = [[part["deepstack_features"][level] for part in parts] for level in levels]
        return output


def behind_all_axes(positions: torch.Tensor, types: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return positions (A, B, L) in which each stretch of text, image or video begins behind all that stands before it.

    Args:
        positions: (A, B, L), whose stretches are right in themselves; not changed.
        types: (B, L), 0 text, 1 image, 2 video.
        mask: (B, L), 0 where a row is padded.
    """
    import torch

    moved = positions.clone()
    # The rollouts of a group, and groups of one length, are laid out alike
    alike: dict[bytes, int] = {}
    layouts = torch.cat([positions, types[None].to(positions), mask[None].to(positions)]).transpose(0, 1).cpu().numpy()
    for row, layout in enumerate(layouts):
        first = alike.setdefault(layout.tobytes(), row)
        if first != row:
            moved[:, row] = moved[:, first]
            continue
        begin, behind = 0, 0
        present = mask[row].bool().nonzero()[:, 0]
        for length in types[row, present].unique_consecutive(return_counts=True)[1].tolist():
            here = present[begin : begin + length]
            # A stretch begins with its least position, on all axes
            moved[:, row, here] += behind - positions[0, row, here[0]]
            begin, behind = begin + length, moved[:, row, here].max() + 1
    return moved


MODEL_FAMILIES: Registry[ModelFamily] = Registry(
    "model family",
    requires=("processing", "tower", "trains"),
    modules=("ocr_hf.models.qwen", "ocr_hf.models.asked_only"),
)
"""Entries by `model_type` of a model's configuration."""

OTHER = ModelFamily("any other image-text-to-text model of transformers that takes video")
"""What stands for every model type without an entry."""


def family_of(config: Any) -> ModelFamily:
    """Return the family of a model's configuration, `OTHER` where its type has no entry."""
    return MODEL_FAMILIES.get(config.model_type, OTHER)


def trainable_family(config: Any) -> ModelFamily:
    """Return the family of a model that is to be trained.

    Raises:
        ValueError: Models of its type can be evaluated only.
    """
    family = family_of(config)
    if not family.trains:
        trained = ", ".join(name for name, entry in MODEL_FAMILIES.items() if entry.trains)
        reason = f": {family.why_not_trained}" if family.why_not_trained else ""
        raise ValueError(
            f"models of type '{config.model_type}' can be evaluated but not trained here{reason}; train one of "
            f"{trained}, or register a family for it, see docs/model-families.md"
        )
    return family


def processing_of(processor: Any) -> VideoProcessing:
    """Return how a processor takes video, by its class: the nearest one that a family names.

    Raises:
        ValueError: No family names its class or a class above it, or two say different things of it.
    """
    above = type(processor).__mro__
    found = [family.processing for family in MODEL_FAMILIES.values() if family.processing is not None]
    named = {each: above.index(each.processor_class()) for each in found if each.processor_class() in above}
    nearest = [each for each, place in named.items() if place == min(named.values())]
    if not nearest:
        raise ValueError(
            f"no model family takes video through a {type(processor).__name__}; register one for its models, see "
            "docs/model-families.md, or ask them with `ocr-hf eval`, which leaves inputs to the processor"
        )
    if len({(each.pixel_bound, each.seconds_per_grid) for each in nearest}) > 1:
        raise ValueError(
            f"two model families say different things of the class {type(processor).__name__}; make their pixel_bound "
            "and seconds_per_grid equal, or give one a processor class of its own"
        )
    return nearest[0]


def unwrapped_layers(family: ModelFamily, wrapped: Sequence[str]) -> str | None:
    """Return what is wrong with the layers that an FSDP setting wraps, as a sentence; None where nothing is.

    Args:
        family: The model's.
        wrapped: The class names in `fsdp_transformer_layer_cls_to_wrap`; without any, the model's own are used.
    """
    missing = [name for name in family.layer_classes if name not in wrapped]
    if not wrapped or not missing:
        return None
    return (
        f"fsdp_transformer_layer_cls_to_wrap is {','.join(wrapped)}, but {family.title} has the layers "
        f"{','.join(family.layer_classes)}; set it to these in the accelerate configuration"
    )

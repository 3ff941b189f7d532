"""Settings of training: TRL's configs and what Object-Centric 3D Rollout (OCR) adds to them.

Words are those of evaluation (`ocr_hf.vsi_bench.eval_config`): docs/settings.md has the table.
"""

from __future__ import annotations

import copy
import warnings
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, ClassVar

from ocr_hf.docstrings import with_help
from ocr_hf.models.number_type import fast_bf16
from ocr_hf.perturb.elsewhere import check_region
from ocr_hf.perturb.modes import noise_mode
from ocr_hf.perturb.schedule import MIDPOINT, SCHEDULES
from ocr_hf.perturb.select import POLICIES
from ocr_hf.registry import STRATEGIES, parse_options, unknown_choice
from ocr_hf.settings.names import refuse_old_names
from ocr_hf.train.versions import check_trl
from ocr_hf.vsi_bench.prompts import PROMPT_STYLES

check_trl()

from trl import GRPOConfig, ModelConfig, SFTConfig  # noqa: E402  (another version may lack what is imported)

SCORE_UNDER = ("clean", "own")
CREDITS = ("joint", "positive", "split")
ON_BAD = ("stop", "skip")
WATCHED_BY = {"tensorboard", "trackio"}
"""Packages of `report_to` that are looked for before a model is loaded."""


@with_help
@dataclass
class VideoArguments:
    """How videos are read, in SFT and in OCR-GRPO alike.

    Args:
        video_column: column that holds the clip.
        frames: frames sampled evenly from a clip.
        min_pixels: least pixels of a frame; default the processor's.
        max_pixels: most pixels of a frame; default the processor's.
        frame_cache_mb: decoded frames kept in memory, MiB per data loading process.
        on_bad_video: at a clip that can't be used: stop, or skip its rows (they are named and give no gradient).
        check_data: open every clip before training.
        freeze_vision: don't train the vision tower.
        share_vision: run the vision tower once per distinct video; default yes, but under FSDP 2 only with
            freeze_vision, and not under FSDP 1 and DeepSpeed ZeRO-3, with which it hasn't been run.
        share_prefix: run what rows of one video begin with once for all of them, exactly: in log-probs the prompt of a
            group, in SFT the video of questions about one clip.
    """

    video_column: str = "vanilla"
    frames: int = 16
    min_pixels: int | None = None
    max_pixels: int | None = None
    frame_cache_mb: int = 512
    on_bad_video: str = "stop"
    check_data: bool = True
    freeze_vision: bool = True
    share_vision: bool | None = None
    share_prefix: bool = True
    number_type_reason: ClassVar[str | None] = None
    """Why `bf16` is on or off where it wasn't set: no setting."""

    def __post_init__(self) -> None:
        _check_choice(self, "on_bad_video", ON_BAD)
        _check_least(self, "frames", 1)
        _check_least(self, "frame_cache_mb", 0)
        if self.bf16 is None and not self.fp16:
            self.bf16, self.number_type_reason = fast_bf16(self.use_cpu)
        # VideoArguments stands before TRL's config among the bases, so this goes on to TRL's own checks
        super().__post_init__()
        for name in WATCHED_BY & set(self.report_to):
            if find_spec(name) is None:
                raise ValueError(f"report_to is {name}, which isn't installed; pip install {name}, or set it to none")


def _check_choice(config: object, name: str, allowed: tuple[str, ...]) -> None:
    if getattr(config, name) not in allowed:
        raise ValueError(unknown_choice(name, getattr(config, name), allowed))


def _check_least(config: object, name: str, least: int) -> None:
    if getattr(config, name) < least:
        raise ValueError(f"{name} is {getattr(config, name)}; give {least} or more")


@refuse_old_names
@with_help
@dataclass
class DataArguments:
    """Which rows are trained on, and how their questions are worded.

    Args:
        data: folder or Hub id of an ocr-vsi data set.
        data_config: recipes (vanilla video and footprints, for strategy ocr), pairs, or twins (for counterfactual).
        data_revision: branch, tag or commit of the data set.
        split: rows to train on.
        eval_split: rows to evaluate on; default none.
        prompt: wording: official, official_api or thinking, which asks for <think> and <answer>.
        limit: use only this many rows, spread evenly over all.

    Raises:
        ValueError: a setting can't be used; it is named with its value.
        TypeError: there is no such setting; the new name of an old one, or the nearest, is named.
    """

    data: str = ""
    data_config: str = "recipes"
    data_revision: str | None = None
    split: str = "train"
    eval_split: str | None = None
    prompt: str = "thinking"
    limit: int | None = None

    def __post_init__(self) -> None:
        _check_choice(self, "prompt", PROMPT_STYLES)
        if self.limit is not None:
            _check_least(self, "limit", 1)


@refuse_old_names
@with_help
@dataclass
class ModelArguments(ModelConfig):
    """TRL's ModelConfig under our names: `model` and `revision` are its model_name_or_path and model_revision.

    Args:
        model: model to train: Hub id or folder.
        revision: branch, tag or commit of the model.
    """

    model: str | None = None
    revision: str = "main"
    model_name_or_path: str | None = field(default=None, init=False, repr=False)
    model_revision: str = field(default="main", init=False, repr=False)


@refuse_old_names
@with_help
@dataclass
class OCRSFTConfig(VideoArguments, SFTConfig):
    """Settings of supervised fine-tuning on video: TRL's SFTConfig, and how videos are read.

    The fields of `VideoArguments` (video_column, frames, min_pixels, max_pixels, frame_cache_mb, on_bad_video,
    check_data, share_vision, share_prefix) and of TRL's SFTConfig are described there; those below differ.

    Args:
        freeze_vision: don't train the vision tower.
        max_length: longest sequence, tokens; longer ones are refused, since cutting one would cut its video.
        questions_per_clip: rows about one clip that stand side by side in a batch, so that `share_prefix` can run their
            clip once; batches then hold fewer clips. 1 shuffles rows as they are.
        grounding_questions: of each clip, asked besides the data set's own: where things are, when they come into view,
            what a view shows, made from the rows' annotation (ours). Rows to evaluate on stay as they are.

    Raises:
        ValueError: a setting can't be used; it is named with its value.
        TypeError: there is no such setting; the new name of an old one, or the nearest, is named.

    Example:
        >>> from ocr_hf import OCRSFTConfig
        >>> OCRSFTConfig("sft", frames=8, use_cpu=True, bf16=False).freeze_vision
        False
    """

    freeze_vision: bool = False
    max_length: int | None = None
    questions_per_clip: int = 1
    grounding_questions: int = 0

    def __post_init__(self) -> None:
        _check_least(self, "questions_per_clip", 1)
        _check_least(self, "grounding_questions", 0)
        super().__post_init__()
        if self.questions_per_clip > 1 and self.train_sampling_strategy != "random":
            raise ValueError(
                f"questions_per_clip is {self.questions_per_clip}, which orders the rows, and train_sampling_strategy "
                f"'{self.train_sampling_strategy}' would order them, too; leave one of them at its default"
            )
        if self.per_device_train_batch_size % self.questions_per_clip:
            raise ValueError(
                f"questions_per_clip is {self.questions_per_clip}, and a batch of per_device_train_batch_size = "
                f"{self.per_device_train_batch_size} rows can't be cut into such parts; give a divisor of it"
            )


@refuse_old_names
@with_help
@dataclass
class OCRGRPOConfig(VideoArguments, GRPOConfig):
    """Settings of OCR-GRPO: TRL's GRPOConfig, how videos are read, and which video each rollout of a group sees.

    The paper (arXiv 2511.13190) publishes none of the values below; every default is ours. The fields of
    `VideoArguments` (video_column, frames, min_pixels, max_pixels, frame_cache_mb, on_bad_video, check_data,
    freeze_vision, share_vision, share_prefix) and of TRL's GRPOConfig are described there.

    Args:
        strategy: ocr (noise on objects), or a rival: grpo (no noise), noisy_rollout (noise on whole frames, arXiv
            2504.13055), t_grpo (frames shuffled, Video-R1), papo (black patches in the loss, arXiv 2507.06448),
            roma_like (consistency under noise), share (Share-GRPO's credit, arXiv 2505.16673), counterfactual (edited
            videos with their own answer), or one that a plugin registers.
        strategy_options: options of papo, roma_like or a plugin's strategy: KEY=VALUE, or a JSON object.
        num_noisy: rollouts of a group that see the noisy (or shuffled) copy of the clip; default half of
            num_generations, for t_grpo a third, for grpo none.
        score_under: the video that log-probs and loss of noisy rollouts are conditioned on: the recorded one (clean, as
            NoisyRollout does) or the one that they were generated from (own); default clean, for share and
            counterfactual own.
        noisy_credit: advantages of a group with noisy rollouts: joint (normalised over all, as NoisyRollout does);
            positive (noisy rollouts: none below 0) or split (vanilla ones normalised by themselves; noisy ones count
            where they beat them), both ours.
        select: objects to perturb: visible, queried or context; as in OCRMap.
        region: where the noise falls: on the objects, or elsewhere, the control: their outlines at another place, with
            mode gaussian; as in OCRMap.
        max_objects: objects perturbed at the start of training.
        mode: noise on objects: gaussian, geometry (each moved, resized or bent; rows with altered copies show those),
            rigid, scale, warp, jitter, or a mode that a plugin registers.
        strength: of the noise: gaussian 0 to 1, the others in box diagonals; default by mode.
        min_visible: share of a frame's pixels above which an object counts as visible.
        schedule: how the number of objects, and with geometry, rigid, scale and warp the strength, falls during
            training: linear, cosine, sigmoid, power, exponential or constant.
        noise_steps: steps over which schedule and timestep_schedule run; default all of the training.
        noise_seed: of the choice of objects and of the noise.
        timestep: noisy_rollout: diffusion step at the start, 0 to 999.
        timestep_schedule: noisy_rollout: how the diffusion step falls: linear, cosine, sigmoid, power, exponential or
            constant.
        timestep_sharpness: noisy_rollout: of the sigmoid.
        timestep_midpoint: noisy_rollout: where the sigmoid has fallen to a half, as a share of the run, 0 to 1; default
            the paper's step 40 of 60. (It counted steps before: 40 of a run of 1,000 is now 0.04.)
        temporal_bonus: t_grpo: what a right rollout of ordered frames earns where they beat the shuffled ones.
        temporal_margin: t_grpo: how many times the shuffled rollouts' score the ordered ones must reach (mu; 0.8 in
            Video-R1's code, 1.0 in its paper).
        on_bad_reward: at a reward that is NaN or infinite: stop, or skip it (as if it did not apply; the share of such
            is logged as rewards/NAME/bad). Of reward models and async functions none is checked.
        dynamic_sampling: further rounds of sampling at most in which groups whose trained rollouts all earn the same
            are replaced by mixed ones of other rows (DAPO, arXiv 2503.14476); a round costs as much as the batch
            itself. 0: such groups stay, and teach nothing.
        share_prefill: in generation, run the prompt once for all rollouts of a group that see one video.
        samples_every: steps between two pages of sample rollouts with the frames that they saw, in `_samples` of
            output_dir; 0: none.
        recovery_clips: held-out clips on which R, the measure of query lock, is asked at each evaluation, up to four
            questions each and each four times; 0: none.
        variant_kl_every: steps between two measurements of the divergence between the policy under the noisy and under
            the recorded video; 0 = never.
        sampler_check_every: with use_vllm: steps between two comparisons of vLLM's log-probs with the scorer's; 0 = at
            the first step only, which stops the run where they disagree.
        sampler_tolerance: with use_vllm: nats a token by which they may differ at the first step, on average; default
            by number type: 0.005 in float32, 0.05 in bfloat16, 0.02 in float16.

    Raises:
        ValueError: a setting can't be used; it is named with its value.
        TypeError: there is no such setting; the new name of an old one, or the nearest, is named.

    Example:
        >>> from ocr_hf import OCRGRPOConfig
        >>> args = OCRGRPOConfig("grpo", strategy="ocr", num_generations=8, use_cpu=True, bf16=False)
        >>> args.num_noisy, args.num_vanilla
        (4, 4)
    """

    strategy: str = "ocr"
    strategy_options: dict[str, Any] | str | None = None
    num_noisy: int | None = None
    score_under: str | None = None
    noisy_credit: str = "joint"
    select: str = "visible"
    region: str = "objects"
    max_objects: int = 4
    mode: str = "gaussian"
    strength: float | None = None
    min_visible: float = 0.002
    schedule: str = "linear"
    noise_steps: int | None = None
    noise_seed: int = 0
    timestep: int = 500
    timestep_schedule: str = "sigmoid"
    timestep_sharpness: float = 30.0
    timestep_midpoint: float = MIDPOINT
    temporal_bonus: float = 0.3
    temporal_margin: float = 0.8
    on_bad_reward: str = "stop"
    dynamic_sampling: int = 0
    share_prefill: bool = True
    samples_every: int = 0
    recovery_clips: int = 0
    variant_kl_every: int = 10
    sampler_check_every: int = 10
    sampler_tolerance: float | None = None

    def __post_init__(self) -> None:
        if self.score_under is not None:
            _check_choice(self, "score_under", SCORE_UNDER)
        for name, allowed in (
            ("noisy_credit", CREDITS),
            ("on_bad_reward", ON_BAD),
            ("select", POLICIES),
            ("schedule", SCHEDULES),
            ("timestep_schedule", SCHEDULES),
        ):
            _check_choice(self, name, allowed)
        _check_least(self, "max_objects", 0)
        _check_least(self, "dynamic_sampling", 0)
        _check_least(self, "samples_every", 0)
        _check_least(self, "recovery_clips", 0)
        _check_least(self, "variant_kl_every", 0)
        _check_least(self, "sampler_check_every", 0)
        if self.sampler_tolerance is not None and not self.sampler_tolerance > 0.0:
            raise ValueError(f"sampler_tolerance is {self.sampler_tolerance}; give nats a token above 0")
        if not 0 <= self.timestep <= 999:
            raise ValueError(f"timestep is {self.timestep}; the diffusion schedule has steps 0 to 999")
        if not 0.0 <= self.timestep_midpoint <= 1.0:
            raise ValueError(
                f"timestep_midpoint is {self.timestep_midpoint:g}; it is a share of the run now, 0 to 1, and no longer "
                "a step: divide it by noise_steps (the paper's step 40 of 60 is the default), or leave it out"
            )
        noise = noise_mode(self.mode)
        check_region(self.region, noise)
        if self.strength is not None:
            noise.check_strength(self.strength)
        self.strategy_options = parse_options(self.strategy_options, "strategy_options") or None
        # Kept for `with_strategy`: another strategy's share follows from what the user set, not from this one's share
        self._num_noisy_given, self._score_under_given = self.num_noisy, self.score_under
        self._correction_given = self.vllm_importance_sampling_correction
        strategy = STRATEGIES.find(self.strategy)(**self.strategy_options or {})
        self._settle(strategy)
        super().__post_init__()
        check_credit(self, strategy)
        if self.use_transformers_continuous_batching:
            raise ValueError(
                "use_transformers_continuous_batching is set, but continuous batching takes no video; set it to false, "
                "or use_vllm to true"
            )
        if self.use_vllm:
            self._check_vllm_settings()

    def _check_vllm_settings(self) -> None:
        """Raise ValueError for settings of vLLM with which rollouts would not see their own videos."""
        if self.vllm_mode != "colocate":
            raise ValueError(
                f"vllm_mode is '{self.vllm_mode}', in which TRL sends the server the first prompt of every group, so "
                "that all its rollouts would be sampled from the first one's video; set vllm_mode to colocate"
            )
        if self.vllm_tensor_parallel_size != 1:
            raise ValueError(
                f"vllm_tensor_parallel_size is {self.vllm_tensor_parallel_size}, but a rollout's video is only in the "
                "process that made it; set it to 1, so that each process samples its own rollouts"
            )
        if (self.generation_kwargs or {}).get("seed") is not None:
            raise ValueError(
                "generation_kwargs sets a seed, and vLLM draws the same completion for every rollout of a group from "
                "it; leave it out"
            )

    def _settle(self, strategy: Any) -> None:
        """Take what this strategy says where the settings leave it open, and let it check the rest."""
        self.num_noisy = strategy.num_noisy(self._num_noisy_given, self.num_generations)
        self.score_under = strategy.scored_under(self._score_under_given)
        strategy.check(self)
        trained = bool(self.num_noisy) and strategy.other not in strategy.excluded
        # Whether the loss has rollouts whose log-probs are of another video than they were sampled from
        self.scores_other_video = trained and self.score_under == "clean"
        self.vllm_importance_sampling_correction = self._correction_given
        if self.use_vllm and self._correction_given and self.scores_other_video:
            warnings.warn(
                "vllm_importance_sampling_correction is off: score_under is 'clean', and the correction would take the "
                "noise, which only sampling sees, for a fault of vLLM and undo it; score_under 'own' keeps it",
                stacklevel=2,
            )
            self.vllm_importance_sampling_correction = False

    def with_strategy(self, strategy: Any) -> OCRGRPOConfig:
        """Take a strategy that was made in Python instead of named by `strategy`.

        Args:
            strategy: which video each rollout sees.

        Returns:
            A copy of these settings for it.

        Raises:
            ValueError: `num_noisy` or another setting doesn't go with it.
        """
        # No dataclasses.replace: TRL's __post_init__ refuses the batch sizes that its first run filled in
        changed = copy.copy(self)
        changed.strategy, changed.strategy_options = strategy.name, dict(strategy.options) or None
        changed._settle(strategy)
        check_credit(changed, strategy)
        return changed

    @property
    def num_vanilla(self) -> int:
        """Rollouts of a group that see the clip as recorded."""
        return self.num_generations - self.num_noisy


def check_credit(config: OCRGRPOConfig, strategy: Any) -> None:
    """Raise ValueError where `noisy_credit`, or a strategy that gives credit itself, can't have its way."""
    kind = config.noisy_credit
    if kind != "joint":
        if strategy.own_credit:
            raise ValueError(
                f"noisy_credit is '{kind}', but strategy '{strategy.name}' gives credit in its own way; leave it out"
            )
        if not config.num_noisy or strategy.other in strategy.excluded:
            raise ValueError(
                f"noisy_credit is '{kind}', but strategy '{strategy.name}' has no noisy rollouts in its loss; set "
                "it to joint, or choose strategy ocr or noisy_rollout"
            )
        if kind == "split" and config.num_vanilla < 2:
            raise ValueError(
                f"noisy_credit is 'split', and num_noisy = {config.num_noisy} leaves {config.num_vanilla} vanilla "
                "rollouts of a group, of which a baseline needs 2; lower num_noisy"
            )
    if kind == "split" or strategy.own_credit:
        what = f"strategy '{strategy.name}'" if strategy.own_credit else "noisy_credit 'split'"
        if config.scale_rewards == "batch" or config.multi_objective_aggregation != "sum_then_normalize":
            raise ValueError(
                f"{what} normalises parts of a group, which scale_rewards '{config.scale_rewards}' with "
                f"multi_objective_aggregation '{config.multi_objective_aggregation}' does not; use scale_rewards group "
                "or none with sum_then_normalize"
            )

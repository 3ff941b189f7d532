"""Settings of training: TRL's configs and what Object-Centric 3D Rollout (OCR) adds to them.

Words are those of evaluation (`ocr_hf.vsi_bench.eval_config`): docs/settings.md has the table.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

from ocr_hf.perturb.modes import noise_mode
from ocr_hf.perturb.schedule import SCHEDULES
from ocr_hf.perturb.select import POLICIES
from ocr_hf.registry import STRATEGIES, parse_options, unknown_choice
from ocr_hf.settings.names import refuse_old_names
from ocr_hf.train.versions import check_trl
from ocr_hf.vsi_bench.prompts import PROMPT_STYLES

check_trl()

from trl import GRPOConfig, ModelConfig, SFTConfig  # noqa: E402  (another version may lack what is imported)

SCORE_UNDER = ("clean", "own")
ON_BAD_VIDEO = ("stop", "skip")


@dataclass
class VideoArguments:
    """How videos are read, in SFT and in GRPO alike.

    video_column, frames, min_pixels, max_pixels : where the clip is, how many frames of it are sampled evenly, and
        bounds on the pixels of one frame
    frame_cache_mb : memory for decoded frames, per data loading process
    on_bad_video : a row whose clip cannot be used stops the run ("stop"), or is skipped with a warning ("skip")
    check_data : open every clip before training starts
    freeze_vision : don't train the vision tower
    """

    video_column: str = field(default="vanilla", metadata={"help": "column that holds the clip"})
    frames: int = field(default=16, metadata={"help": "frames sampled evenly from a clip"})
    min_pixels: int | None = field(default=None, metadata={"help": "least pixels of a frame; default the processor's"})
    max_pixels: int | None = field(default=None, metadata={"help": "most pixels of a frame; default the processor's"})
    frame_cache_mb: int = field(default=512, metadata={"help": "decoded frames kept, per data loading process"})
    on_bad_video: str = field(default="stop", metadata={"help": "at a clip that can't be used: stop, or skip its rows"})
    check_data: bool = field(default=True, metadata={"help": "open every clip before training"})
    freeze_vision: bool = field(default=True, metadata={"help": "don't train the vision tower"})

    def __post_init__(self) -> None:
        _check_choice(self, "on_bad_video", ON_BAD_VIDEO)
        _check_least(self, "frames", 1)
        _check_least(self, "frame_cache_mb", 0)
        super().__post_init__()


def _check_choice(config: object, name: str, allowed: tuple[str, ...]) -> None:
    if getattr(config, name) not in allowed:
        raise ValueError(unknown_choice(name, getattr(config, name), allowed))


def _check_least(config: object, name: str, least: int) -> None:
    if getattr(config, name) < least:
        raise ValueError(f"{name} is {getattr(config, name)}; give {least} or more")


@refuse_old_names
@dataclass
class DataArguments:
    """Which rows are trained on, and how their questions are worded.

    data : folder or Hub id of an ocr-vsi data set; data_config : recipes (footprints, for strategy ocr) or pairs
    data_revision, split : which of it; eval_split : rows to evaluate on, default none
    prompt : wording of the question; "thinking" asks for <think> and <answer>
    limit : use only so many rows, spread evenly over all, as evaluation does
    """

    data: str = field(default="", metadata={"help": "folder or Hub id of an ocr-vsi data set"})
    data_config: str = field(default="recipes", metadata={"help": "recipes or pairs"})
    data_revision: str | None = field(default=None, metadata={"help": "branch, tag or commit of the data set"})
    split: str = field(default="train", metadata={"help": "rows to train on"})
    eval_split: str | None = field(default=None, metadata={"help": "rows to evaluate on"})
    prompt: str = field(default="thinking", metadata={"help": f"wording: {', '.join(PROMPT_STYLES)}"})
    limit: int | None = field(default=None, metadata={"help": "use only this many rows, spread evenly over all"})

    def __post_init__(self) -> None:
        _check_choice(self, "prompt", PROMPT_STYLES)
        if self.limit is not None:
            _check_least(self, "limit", 1)


@refuse_old_names
@dataclass
class ModelArguments(ModelConfig):
    """TRL's ModelConfig under our names: `model` and `revision` are its model_name_or_path and model_revision."""

    model: str | None = field(default=None, metadata={"help": "model to train: Hub id or folder"})
    revision: str = field(default="main", metadata={"help": "branch, tag or commit of the model"})
    model_name_or_path: str | None = field(default=None, init=False, repr=False)
    model_revision: str = field(default="main", init=False, repr=False)


@refuse_old_names
@dataclass
class OCRSFTConfig(VideoArguments, SFTConfig):
    """SFTConfig and how videos are read; the vision tower trains unless told otherwise."""

    freeze_vision: bool = field(default=False, metadata={"help": "don't train the vision tower"})
    max_length: int | None = field(default=None, metadata={"help": "longest sequence; longer ones are refused"})


@refuse_old_names
@dataclass
class OCRGRPOConfig(VideoArguments, GRPOConfig):
    """GRPOConfig plus which video each rollout of a group sees.

    The paper (arXiv 2511.13190) publishes none of the values below; every default is ours.

    strategy : "ocr" (noise on objects), or a rival: "grpo" (no noise), "noisy_rollout" (noise on whole frames,
        arXiv 2504.13055), "t_grpo" (frames shuffled, Video-R1), or one that a plugin registered
    strategy_options : options of a plugin's strategy, a mapping; as a flag KEY=VALUE or JSON
    num_noisy : how many of the `num_generations` rollouts of a group see the noisy (or shuffled) copy of the clip;
        default half of them, for t_grpo a third (8 + 4), for grpo none
    score_under : the video that log-probs and loss of noisy rollouts are conditioned on: the recorded one ("clean", as
        NoisyRollout does) or the one they were generated from ("own")
    select, max_objects, mode, strength, min_visible : strategy ocr; see `ocr_hf.perturb.OCRMap`
    schedule : how the number of objects falls during training
    noise_steps : steps over which `schedule` and `timestep_schedule` run; default all of the training
    noise_seed : of the choice of objects and of the noise
    timestep, timestep_schedule, timestep_sharpness, timestep_midpoint : strategy noisy_rollout: diffusion step at the
        start, 0 to 999, and its decay
    temporal_bonus, temporal_margin : strategy t_grpo: what a right ordered rollout earns where ordered rollouts score
        at least `temporal_margin` times what shuffled ones do (0.8 in Video-R1's code, 1.0 in its paper)
    encode_once : run the vision tower once per distinct video; default yes, but for FSDP and DeepSpeed ZeRO-3, which
        gather parameters only inside the model's forward
    variant_kl_every : steps between two measurements of the divergence between the policy under the noisy and under
        the recorded video; 0 = never
    """

    strategy: str = field(default="ocr", metadata={"help": "ocr, grpo, noisy_rollout, t_grpo, or a plugin's"})
    strategy_options: dict[str, Any] | str | None = field(
        default=None, metadata={"help": "options of a plugin's strategy: KEY=VALUE, or a JSON object"}
    )
    num_noisy: int | None = field(default=None, metadata={"help": "rollouts of a group that see the noisy clip"})
    score_under: str = field(default="clean", metadata={"help": "clean or own: the video noisy rollouts are scored on"})
    select: str = field(default="visible", metadata={"help": f"objects to draw from: {', '.join(POLICIES)}"})
    max_objects: int = field(default=4, metadata={"help": "objects perturbed at the start"})
    mode: str = field(default="gaussian", metadata={"help": "gaussian, geometry, or a plugin's"})
    strength: float | None = field(default=None, metadata={"help": "of the noise; default by mode"})
    min_visible: float = field(default=0.002, metadata={"help": "share of a frame that makes an object visible"})
    schedule: str = field(default="linear", metadata={"help": f"annealing: {', '.join(SCHEDULES)}"})
    noise_steps: int | None = field(default=None, metadata={"help": "steps of the annealing; default all"})
    noise_seed: int = field(default=0, metadata={"help": "of the choice of objects and the noise"})
    timestep: int = field(default=500, metadata={"help": "noisy_rollout: diffusion step at the start"})
    timestep_schedule: str = field(default="sigmoid", metadata={"help": "noisy_rollout: its decay"})
    timestep_sharpness: float = field(default=30.0, metadata={"help": "noisy_rollout: of the sigmoid"})
    timestep_midpoint: float = field(default=40.0, metadata={"help": "noisy_rollout: of the sigmoid, in steps"})
    temporal_bonus: float = field(default=0.3, metadata={"help": "t_grpo: reward of ordered frames"})
    temporal_margin: float = field(default=0.8, metadata={"help": "t_grpo: mu"})
    encode_once: bool | None = field(default=None, metadata={"help": "vision tower once per distinct video"})
    variant_kl_every: int = field(default=10, metadata={"help": "steps between measurements; 0 = never"})

    def __post_init__(self) -> None:
        for name, allowed in (
            ("score_under", SCORE_UNDER),
            ("select", POLICIES),
            ("schedule", SCHEDULES),
            ("timestep_schedule", SCHEDULES),
        ):
            _check_choice(self, name, allowed)
        _check_least(self, "max_objects", 0)
        _check_least(self, "variant_kl_every", 0)
        if not 0 <= self.timestep <= 999:
            raise ValueError(f"timestep is {self.timestep}; the diffusion schedule has steps 0 to 999")
        noise = noise_mode(self.mode)
        if self.strength is not None:
            noise.check_strength(self.strength)
        self.strategy_options = parse_options(self.strategy_options, "strategy_options") or None
        self._num_noisy_given = self.num_noisy
        self._settle(STRATEGIES.find(self.strategy)(**self.strategy_options or {}))
        super().__post_init__()
        if self.use_vllm or self.use_transformers_continuous_batching:
            raise ValueError(
                "video rollouts are generated by transformers; vLLM and continuous batching would send every rollout "
                "of a group the same video; set use_vllm and use_transformers_continuous_batching to false"
            )

    def _settle(self, strategy: Any) -> None:
        """Take what this strategy says where the settings leave it open, and let it check the rest."""
        self.num_noisy = strategy.num_noisy(self._num_noisy_given, self.num_generations)
        strategy.check(self)

    def with_strategy(self, strategy: Any) -> OCRGRPOConfig:
        """Return these settings for a strategy that was made in Python instead of named by `strategy`.

        Raises:
            ValueError: `num_noisy` or another setting doesn't go with it.
        """
        changed = copy.copy(self)
        changed.strategy, changed.strategy_options = strategy.name, dict(strategy.options) or None
        changed._settle(strategy)
        return changed

    @property
    def num_vanilla(self) -> int:
        """Rollouts of a group that see the clip as recorded."""
        return self.num_generations - self.num_noisy

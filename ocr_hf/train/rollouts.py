"""Rollout strategies: which video each rollout of a group sees, how rewards are adjusted, what is added to the loss.

A strategy answers these questions and nothing else; sampling, scoring and TRL's loss are the trainer's and the same for
all, so that a comparison of strategies compares only them. One entry of `STRATEGIES` each; a strategy owns its share of
a group, the columns that it reads, its checks and its options.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, ClassVar, Self

import torch

from ocr_hf import registry
from ocr_hf.data.video import VideoSource
from ocr_hf.registry import Registry, fill_options
from ocr_hf.train.config import OCRGRPOConfig
from ocr_hf.train.credit import Outcome, noisy_credit
from ocr_hf.train.variants import Vanilla, Variant
from ocr_hf.train.view_loss import ScoredTokens


class Strategy(ABC):
    """One way to show videos to the rollouts of a group. Subclass it, set the attributes, write `perturbed`.

    Attributes:
        name: What `strategy` is set to.
        help: One sentence for the documentation.
        noisy_share: The part of a group that sees another video than the recorded one, unless `num_noisy` says so.
        min_vanilla: The least number of rollouts of a group that must see the recorded video.
        other: The role of the other rollouts: what metrics and the completions table call them.
        excluded: Roles whose rollouts enter neither the baseline nor the loss.
        columns: Columns of a row that it reads.
        stored_columns: Those that are read besides to find and check the videos that a row brings.
        data_config: The config of ocr-vsi whose rows it wants.
        default_score_under: Where `score_under` is left open.
        own_credit: Whether `advantages` is its own, so that `noisy_credit` doesn't apply.
        bonus_name: Name of the reward that `bonus` gives, or None.
        view_names: Further videos that every completion is scored under, for `loss_values`; `views` gives them.
        views_train: Whether log-probs under the views have a gradient; else they are constants.
        loss_terms: What `loss_values` returns; each is logged as `loss/NAME`, per token and without its weight.
        default_options: Its options of its own and their defaults; `strategy_options` sets them.
        options: The options in force.
        layout: After `bound`: the role of each rollout of a group, in order; equal roles see the same video.

    Args:
        **options: Options of its own, as `strategy_options` gives them.

    Raises:
        ValueError: An option that it doesn't have (the nearest is suggested), or a value of another type.
    """

    name: ClassVar[str]
    help: ClassVar[str]
    noisy_share: ClassVar[float] = 1 / 2
    min_vanilla: ClassVar[int] = 0
    other: ClassVar[str] = "noisy"
    excluded: ClassVar[frozenset[str]] = frozenset()
    columns: tuple[str, ...] = ()
    stored_columns: ClassVar[tuple[str, ...]] = ()
    data_config: ClassVar[str] = "recipes"
    default_score_under: ClassVar[str] = "clean"
    own_credit: ClassVar[bool] = False
    bonus_name: ClassVar[str | None] = None
    view_names: tuple[str, ...] = ()
    views_train: ClassVar[bool] = False
    loss_terms: ClassVar[tuple[str, ...]] = ()
    default_options: ClassVar[Mapping[str, Any]] = {}

    config: OCRGRPOConfig
    layout: tuple[str, ...]

    def __init__(self, **options: Any) -> None:
        self.options = fill_options(self.default_options, options, f"strategy '{self.name}'", "strategy_options")

    def check(self, config: OCRGRPOConfig) -> None:  # noqa: B027  (most strategies have nothing to add)
        """Raise ValueError for settings that don't go with this strategy; `num_noisy` has been checked before."""

    def num_noisy(self, wanted: int | None, group: int) -> int:
        """Return how many rollouts of a group see the other video.

        Args:
            wanted: What the user set, or None for the strategy's share.
            group: The rollouts of a group, `num_generations`.

        Raises:
            ValueError: The group can't be split so.
        """
        if wanted is None:
            exact = group * self.noisy_share
            # A share of 1/3 is not exact in floating point
            if abs(exact - round(exact)) > 1e-9:
                raise ValueError(
                    f"a group of {group} rollouts (num_generations) cannot be split with {self.noisy_share:.2g} of it "
                    f"noisy, as strategy '{self.name}' does; choose a multiple of "
                    f"{Fraction(self.noisy_share).limit_denominator(1000).denominator}, or set num_noisy"
                )
            return round(exact)
        if not self.noisy_share and wanted:
            raise ValueError(f"strategy '{self.name}' has no noisy rollouts, but num_noisy is {wanted}; set it to 0")
        if not 0 <= wanted <= group:
            raise ValueError(f"num_noisy is {wanted}; a group has {group} rollouts (num_generations)")
        if group - wanted < self.min_vanilla:
            raise ValueError(
                f"num_noisy is {wanted}, which leaves {group - wanted} of {group} rollouts for the recorded video; "
                f"strategy '{self.name}' needs at least {self.min_vanilla}, lower num_noisy"
            )
        return wanted

    def scored_under(self, wanted: str | None) -> str:
        """Return under which video noisy rollouts are scored, "clean" or "own"; `wanted` is what the user set.

        Raises:
            ValueError: The strategy makes no sense so.
        """
        return wanted or self.default_score_under

    def bound(self, config: OCRGRPOConfig) -> Self:
        """Return a copy that works with these settings."""
        # A copy, so that one instance can serve several trainers
        bound = copy.copy(self)
        bound.config = config
        # Roles and views are looked up in one table
        if set(self.view_names) & {"vanilla", self.other}:
            raise ValueError(f"strategy '{self.name}' has a view and a role of one name; rename the view")
        # Vanilla first: the trainer takes role 0 for the recorded clip
        bound.layout = ("vanilla",) * config.num_vanilla + (self.other,) * config.num_noisy
        return bound

    @property
    def roles(self) -> tuple[str, ...]:
        """The distinct roles, vanilla first."""
        return tuple(dict.fromkeys(self.layout))

    def variants(self, row: Mapping[str, Any], step: int, total_steps: int) -> dict[str, Variant]:
        """Return the video of each role for a row at a training step; a pure function of its arguments."""
        videos: dict[str, Variant] = {"vanilla": Vanilla()}
        if self.config.num_noisy:
            videos[self.other] = self.perturbed(row, step, self.config.noise_steps or total_steps)
        return videos

    @abstractmethod
    def perturbed(self, row: Mapping[str, Any], step: int, total_steps: int) -> Variant:
        """Return the one other video of a row's group; `Vanilla()` for the recorded one.

        Args:
            row: A row of the data set.
            step: The training step, from 0.
            total_steps: Steps over which noise is annealed.

        Raises:
            BadRow: The row can't be used.
        """

    def views(self, row: Mapping[str, Any], step: int, total_steps: int) -> dict[str, Variant]:
        """Return the videos of `view_names` for a row at a training step; arguments as of `perturbed`."""
        return {}

    def loss_values(self, scored: ScoredTokens) -> dict[str, tuple[float, torch.Tensor]]:
        """Return what is added to the loss: name -> (weight, (B, C) values per token), for each of `loss_terms`."""
        return {}

    def stored_videos(self, row: Mapping[str, Any]) -> Sequence[VideoSource | None]:
        """Return the videos that a row brings beside its clip and that rollouts may see; read of `stored_columns`."""
        return ()

    def check_stored(self, row: Mapping[str, Any], source: VideoSource | None) -> int:
        """Return the frames of one of `stored_videos`, by its header alone; raise BadRow where it can't be used."""
        raise NotImplementedError(f"strategy '{self.name}' names stored videos and has no check_stored")

    def row_for(self, role: str, row: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the row as the rewards of a role's rollouts are to see it, with the same columns."""
        return row

    def advantages(self, outcome: Outcome) -> torch.Tensor:
        """Return the advantages (groups, G) of a generation batch; by default as `noisy_credit` says."""
        return noisy_credit(self.config.noisy_credit, outcome)

    def bonus(self, accuracy: torch.Tensor, vanilla: torch.Tensor) -> torch.Tensor:
        """Return what each rollout earns beyond its rewards, (groups, G), where `bonus_name` is set.

        Args:
            accuracy: (groups, G), NaN where unknown.
            vanilla: (groups, G) bool, which rollouts saw the recorded clip.
        """
        return torch.zeros_like(accuracy)


STRATEGIES: Registry[type[Strategy]] = registry.STRATEGIES
"""Every rollout strategy by its name."""


def make_strategy(config: OCRGRPOConfig, strategy: Strategy | None = None) -> Strategy:
    """Return the strategy that a configuration names, or the one given, bound to the configuration."""
    if strategy is None:
        strategy = STRATEGIES.find(config.strategy)(**config.strategy_options or {})
    return strategy.bound(config)

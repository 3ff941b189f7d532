"""Dynamic sampling: groups that teach nothing are replaced by groups of further questions (DAPO, arXiv 2503.14476).

A group whose trained rollouts all earn the same has no advantage anywhere. TRL 1.16 trains on such groups. With
`dynamic_sampling` further questions are asked, as many as a batch has, and those groups of theirs that are mixed take
the places of the flat ones, until none is left or the rounds are used up.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ocr_hf.perturb.keys import generator, stable_key
from ocr_hf.train.batches import Batch, take
from ocr_hf.train.config import OCRGRPOConfig

SAME = 1e-6
"""Rewards that differ by less are the same."""


def flat_groups(rewards: torch.Tensor) -> torch.Tensor:
    """Return which groups teach nothing, (groups,) bool.

    rewards : (groups, G), NaN for rollouts that aren't trained on
    """
    least, most = rewards.nan_to_num(torch.inf).amin(1), rewards.nan_to_num(-torch.inf).amax(1)
    return ~(most - least > SAME)


def with_groups_of(
    batch: Batch, other: Batch, places: Sequence[int], sources: Sequence[int], size: int, pad: int
) -> Batch:
    """Return a batch in which the groups `places` are the groups `sources` of another batch.

    size : rows of a group, which stand side by side in both; pad : the token that fills up shorter rows
    """
    rows = np.arange(len(batch["completion_ids"])).reshape(-1, size)
    rows[list(places)] = rows.size + np.asarray(list(sources))[:, None] * size + np.arange(size)
    return take(_both(batch, other, pad), rows.flatten().tolist())


def _both(batch: Batch, other: Batch, pad: int) -> Batch:
    """Return the rows of two batches behind each other."""

    def joined(name: str, one: Any, two: Any) -> Any:
        if isinstance(one, list):
            return one + two
        if not isinstance(one, torch.Tensor) or one.ndim == 0:
            return one
        if one.ndim == 2:
            longest, fill = max(one.shape[1], two.shape[1]), pad if name.endswith("_ids") else 0
            one, two = (_padded(value, longest, fill, name.startswith("prompt_")) for value in (one, two))
        return torch.cat([one, two])

    return {name: joined(name, value, other[name]) for name, value in batch.items()}


def _padded(values: torch.Tensor, longest: int, fill: int, in_front: bool) -> torch.Tensor:
    gap = longest - values.shape[1]
    return torch.nn.functional.pad(values, (gap, 0) if in_front else (0, gap), value=fill)


def check_dynamic_sampling(args: OCRGRPOConfig, dataset: Any) -> None:
    """Raise ValueError where groups can't be replaced one by one."""
    if not args.dynamic_sampling:
        return
    rows = args.per_device_train_batch_size * args.steps_per_generation
    if rows % args.num_generations:
        raise ValueError(
            f"dynamic_sampling replaces whole groups, and a process has {rows} rollouts (per_device_train_batch_size x "
            f"steps_per_generation), no multiple of num_generations = {args.num_generations}; make it one"
        )
    if args.scale_rewards == "batch" or args.multi_objective_aggregation != "sum_then_normalize":
        raise ValueError(
            f"dynamic_sampling replaces groups, but scale_rewards '{args.scale_rewards}' with "
            f"multi_objective_aggregation '{args.multi_objective_aggregation}' normalises over the whole batch; use "
            "scale_rewards group or none with sum_then_normalize"
        )
    if not hasattr(dataset, "__len__"):
        raise ValueError("dynamic_sampling draws further rows, which a streamed data set can't give; set it to 0")


class ReplacesFlatGroups:
    """Methods of a TRL GRPO trainer on video (`OCRGRPOTrainer`)."""

    _in_further_round = False
    """Whether videos of an earlier round are still needed."""
    _asked: tuple[Any, int, int] = (None, 0, 0)
    """The training (its state), the step, and how many further rounds that step has had."""

    def _with_mixed_groups(self, output: Batch, rows: int, kept: int) -> Batch:
        """Return a generated batch whose flat groups are replaced by mixed ones of further rounds.

        rows : of this process that were asked; kept : rollouts of a group that are trained on
        """
        most = self.args.dynamic_sampling
        flat, replaced, rounds = self._own_flat(), 0, 0
        # Sampling is a collective: as long as any process has a flat group, all ask again
        while rounds < most and int(self.accelerator.gather(flat.sum()).sum()):
            self._in_further_round = True
            try:
                more = self._generate_and_score_completions(self._further_rows(rows, self._next_round()))
            finally:
                self._in_further_round = False
            holes, mixed = (mask.nonzero().flatten().tolist() for mask in (flat, ~self._own_flat()))
            pairs = min(len(holes), len(mixed))
            if pairs:
                pad = self.processing_class.tokenizer.pad_token_id
                output = with_groups_of(output, more, holes[:pairs], mixed[:pairs], kept, pad)
                flat[holes[:pairs]] = False
            replaced, rounds = replaced + pairs, rounds + 1
        counts = self.accelerator.gather(torch.tensor([[replaced, int(flat.sum())]], device=flat.device)).sum(0)
        self._record({"groups/replaced": int(counts[0]), "groups/flat": int(counts[1]), "groups/rounds": rounds})
        if rounds:
            views = (name for row in output.get("views", ()) for name in row)
            self.videos[self.mode].keep({*output["scored_media"], *views})
            # TRL counted the tokens of what is gone; the loss divides by this
            output["num_items_in_batch"] = self.accelerator.gather(output["completion_mask"].sum()).sum()
        return output

    def _own_flat(self) -> torch.Tensor:
        """Return which groups of this process, in the batch that was generated last, teach nothing."""
        everyone = flat_groups(self._outcome.rewards)
        return everyone.chunk(self.accelerator.num_processes)[self.accelerator.process_index].clone()

    def _next_round(self) -> int:
        """Return the number of a further round within its optimizer step, which may generate several times.

        Counted from 0 in each step: TRL's own count of generations begins anew where a run goes on from a checkpoint.
        """
        state, step, asked = self._asked
        number = asked if state is self.state and step == self.state.global_step else 0
        self._asked = self.state, self.state.global_step, number + 1
        return number

    def _further_rows(self, count: int, number: int) -> list[dict[str, Any]]:
        """Return rows with their clips for a further round: a pure function of seed, step and round of the step."""
        size = self.num_generations
        groups = count // size
        key = stable_key("dynamic_sampling", self.args.seed, self.state.global_step, number)
        order = generator(key).permutation(len(self.train_dataset))
        # A data set of fewer rows than a batch has groups is gone through again
        chosen = np.resize(order, groups * self.accelerator.num_processes)
        own = chosen[self.accelerator.process_index * groups :][:groups]
        return self.data_collator([self.train_dataset[int(row)] for row in own for _ in range(size)])

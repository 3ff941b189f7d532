"""What OCRGRPOTrainer logs beside TRL's metrics."""

from __future__ import annotations

import logging
import resource
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from ocr_hf.models.padding import left_padded
from ocr_hf.train import checks
from ocr_hf.train.clip_loader import row_name
from ocr_hf.train.log_probs import k3_divergence, without_training
from ocr_hf.train.metrics import answer_start, completion_columns, noise_totals
from ocr_hf.train.rollout_plan import Rollout
from ocr_hf.train.samples import FOLDER, Question, Sample, write_page
from ocr_hf.train.variants import Vanilla
from ocr_hf.train.video_store import MediaId

logger = logging.getLogger(__name__)


class Measuring:
    """Methods of a TRL GRPO trainer that scores under videos (`VideoScoring`)."""

    _counted: tuple[float, float] | None = None
    """When the last log was, and how many tokens there were by then."""
    _lost_a_page = False

    def _record(self, values: dict[str, float]) -> None:
        for name, value in values.items():
            self._metrics[self.mode][name].append(value)

    def _record_noise(self) -> None:
        """Log what was perturbed: per rollout in the completions table, on average in the metrics."""
        for column, values in completion_columns(self._rollouts).items():
            self._log_completion_extra(column, values)
        if self.mode == "eval" or not self.args.num_noisy:
            return
        totals = torch.tensor(noise_totals(self._rollouts), device=self.accelerator.device)
        videos, objects, area = self.accelerator.reduce(totals, "sum").tolist()
        if videos:
            self._record({"noise/objects": objects / videos, "noise/area": area / videos})

    def _measure_divergence(self, output: dict[str, Any], rollouts: Sequence[Rollout]) -> None:
        """Log how differently the policy answers under the noisy and under the recorded video, on noisy rollouts.

        KL(noisy || recorded) per token, and the total variation at the answer's first token, which is all that the
        reward of a letter sees.
        """
        every = self.args.variant_kl_every
        if self.mode == "eval" or not every or not self.args.num_noisy or self.state.global_step % every:
            return
        # A process whose rows have no video still takes part in the sum, or the others would wait for it
        total = torch.zeros(4, device=self.accelerator.device)
        # A sharded forward is a collective that processes without a video would not join
        if self._sees_video and not checks.is_sharded(self.accelerator):
            sampled = self._score_under([rollout.sampled_from for rollout in rollouts], output)
            recorded = self._score_under([self._recorded(rollout) for rollout in rollouts], output)
            noisy = torch.tensor([rollout.role != "vanilla" for rollout in rollouts], device=total.device)
            divergence = k3_divergence(sampled, recorded, output["completion_mask"] * noisy.unsqueeze(1))
            total = torch.cat([divergence, self._answer_variation(output, rollouts)])
        divergence, tokens, variation, answers = self.accelerator.reduce(total, "sum").tolist()
        if tokens:
            self._record({f"kl/{self.strategy.other}_vanilla": divergence / tokens})
        if answers:
            self._record({f"tv/{self.strategy.other}_vanilla": variation / answers})

    def _answer_variation(self, output: dict[str, Any], rollouts: Sequence[Rollout]) -> torch.Tensor:
        """Return [sum, noisy rollouts] of the total variation, 1/2 sum |p - q|, at the first token of their answers.

        p, q : the policy's distributions over that token, at the sampling temperature, under the video that the rollout
        was sampled from and under the recorded one, after the same prompt and the same tokens before the answer
        """
        places: dict[tuple[tuple[int, ...], MediaId], int] = {}
        pairs = []
        for row, rollout in enumerate(rollouts):
            if rollout.role == "vanilla" or rollout.clip is None:
                continue
            prompt = output["prompt_ids"][row][output["prompt_mask"][row].bool()].tolist()
            completion = output["completion_ids"][row][output["completion_mask"][row].bool()].tolist()
            tokens = tuple(prompt + completion[: answer_start(completion, self.processing_class.tokenizer)])
            both = ((tokens, name) for name in (rollout.sampled_from, self._recorded(rollout)))
            # Where the answer is all that is written, the rollouts of a group ask the same
            pairs.append([places.setdefault(key, len(places)) for key in both])
        if not pairs:
            return torch.zeros(2, device=self.accelerator.device)
        asked, size = list(places), self.args.per_device_train_batch_size
        answers = torch.cat([self._next_token(asked[at : at + size]) for at in range(0, len(asked), size)])
        noisy, recorded = answers[torch.tensor(pairs, device=answers.device)].unbind(1)
        variation = (noisy - recorded).abs().sum(-1) / 2
        return torch.stack([variation.sum(), variation.new_tensor(float(len(pairs)))])

    def _next_token(self, asked: Sequence[tuple[Sequence[int], MediaId]]) -> torch.Tensor:
        """Return the policy's probabilities (N, vocabulary) of the token after each text, under its video."""
        device = self.accelerator.device
        ids, mask = left_padded([tokens for tokens, _ in asked], self.processing_class.tokenizer.pad_token_id)
        ids, mask = ids.to(device), mask.to(device)
        with torch.no_grad(), without_training(self.model), self.accelerator.autocast():
            base, videos, names = self.base_of(self.model), self.videos["train"], [name for _, name in asked]
            inputs = {"input_ids": ids, "attention_mask": mask, **videos.arguments(base, names, ids)}
            inputs["position_ids"] = videos.positions(base, names, ids, mask)
            logits = self.model(**inputs, logits_to_keep=1, use_cache=False).logits
        return (logits[:, -1].float() / self.temperature).softmax(-1)

    def _speed_and_memory(self) -> dict[str, float]:
        """Return tokens a second of all processes since the last call, and the most memory of this one, GB."""
        now, tokens = time.monotonic(), self.state.num_input_tokens_seen
        (before, seen), self._counted = self._counted or (now, tokens), (now, tokens)
        measured = {"memory/peak_gb": peak_memory() / 1e9}
        return measured if now <= before else measured | {"speed/tokens_per_second": (tokens - seen) / (now - before)}

    def _recorded(self, rollout: Rollout) -> MediaId:
        return None if rollout.clip is None else self._encoder().add(rollout.clip, Vanilla())

    def _write_samples(
        self, output: dict[str, Any], rows: Sequence[dict[str, Any]], rollouts: Sequence[Rollout]
    ) -> None:
        """Write a page of what this process has sampled, where one is due and the process is the first.

        Without space on the disk pages are left out, with one warning, and training goes on.
        output : of all rollouts that were sampled, before any leave
        """
        every = self.args.samples_every
        due = bool(every) and self.state.global_step % every == 0 and not self._in_further_round
        if not due or self.mode == "eval" or not self.accelerator.is_main_process:
            return
        size, texts = self.num_generations, []
        for ids, mask in zip(output["completion_ids"], output["completion_mask"], strict=True):
            texts.append(self.processing_class.tokenizer.decode(ids[mask.bool()], skip_special_tokens=True))
        # The first process holds the first rollouts of the batch
        rewards, advantages = self._outcome.rewards.flatten().tolist(), output["advantages"].tolist()
        questions = []
        for first in range(0, len(rollouts) - len(rollouts) % size, size):
            samples = [
                Sample(
                    rollout.role, rollout.sampled_from, texts[at], rewards[at], advantages[at], rollout.variant.objects
                )
                for at, rollout in enumerate(rollouts[first : first + size], start=first)
            ]
            row = rows[first]
            truth = None if row.get("ground_truth") is None else str(row["ground_truth"])
            questions.append(Question(row_name(row), last_text(row["prompt"]), truth, samples))
        if questions:
            folder = Path(self.args.output_dir) / FOLDER
            videos, video_processor = self.videos[self.mode].videos, self.processing_class.video_processor
            try:
                write_page(folder, self.state.global_step, questions, videos, video_processor)
            except OSError as error:
                if not self._lost_a_page:
                    logger.warning("pages of sample rollouts are left out while they can't be written: %s", error)
                self._lost_a_page = True

    def evaluate(
        self, eval_dataset: Any = None, ignore_keys: list[str] | None = None, metric_key_prefix: str = "eval"
    ) -> dict[str, float]:
        """Evaluate as TRL does, and log R on a few of the run's held-out clips, where it is asked for.

        Args:
            eval_dataset: rows, in place of the run's.
            ignore_keys: as of transformers' Trainer.
            metric_key_prefix: what names in the log begin with.

        Returns:
            What TRL returns, and R.
        """
        metrics = super().evaluate(eval_dataset, ignore_keys, metric_key_prefix)
        if self._recovery is not None:
            # Every process has the whole model; the others wait for the first one
            first = self.accelerator.is_main_process
            found = self._recovery.measure(self.base_of(self.model)) if first else {}
            self.accelerator.wait_for_everyone()
            self.log(dict(found))
            metrics |= found
        return metrics

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log as TRL does, with the entropy of each role's rollouts and what the strategy adds to the loss.

        Args:
            logs: name -> value.
            start_time: of the training, to compute speeds from; None = no speeds.
        """
        if self.has_video:
            # Every process logs at the same steps, so all take part in this sum
            means = self.rollout_metrics.tokens
            sums = self.accelerator.reduce(means.take().to(self.accelerator.device), "sum")
            for name, (total, tokens) in zip(means.names, sums.tolist(), strict=True):
                if tokens:
                    self._record({name: total / tokens})
            # The summary behind the last step is no step
            if self.mode == "train" and "loss" in logs:
                self._record(self._speed_and_memory())
        super().log(logs, start_time)


def peak_memory() -> float:
    """Return the most bytes that this process has had at once: of its GPU, without one its resident set."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    # Kilobytes on Linux, bytes on macOS
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def last_text(prompt: Any) -> str:
    """Return what the last turn of a chat says."""
    content = prompt[-1]["content"]
    return content if isinstance(content, str) else " ".join(part.get("text") or "" for part in content).strip()

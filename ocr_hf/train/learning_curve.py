"""The learning curve: the score on held-out questions while a model trains, and its picture."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from ocr_hf.train.held_out import HeldOut


class Watch(TrainerCallback):
    """Score the held-out questions every few steps, and note (stage, step, seconds, score in per cent).

    points : list that the notes go to, shared by the stages of a run; every : steps between two; started : the run's
        start by `time.perf_counter`
    """

    def __init__(self, points: list[dict[str, Any]], held_out: HeldOut, stage: str, every: int, started: float) -> None:
        self.points, self.held_out, self.stage, self.every, self.started = points, held_out, stage, every, started

    def add(self, model: Any, step: int) -> None:
        """Score the model now."""
        score = self.held_out.score(model)
        seconds = round(time.perf_counter() - self.started, 1)
        self.points.append({"stage": self.stage, "step": step, "seconds": seconds, "score": round(score, 2)})

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        # The last step as well, where `every` doesn't divide the number of steps
        if state.global_step % self.every == 0 or state.global_step == state.max_steps:
            self.add(model, state.global_step)


def draw(runs: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw the held-out score of one or several seeds over the steps of both stages."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4), dpi=120)
    boundary = max(p["step"] for p in runs[0]["points"] if p["stage"] == "SFT")
    for run in runs:
        steps = [p["step"] + (boundary if p["stage"] == "OCR-GRPO" else 0) for p in run["points"]]
        label = f"seed {run['seed']}"
        axes.plot(steps, [p["score"] for p in run["points"]], marker="o", markersize=3, label=label)
    untrained = sum(run["untrained"] for run in runs) / len(runs)
    axes.axhline(untrained, color="grey", linestyle=":", label=f"untrained: {untrained:.1f}")
    constants = sum(run["constants"] for run in runs) / len(runs)
    axes.axhline(constants, color="grey", linestyle="--", label=f"best constant answers: {constants:.1f}")
    axes.axvline(boundary, color="black", linewidth=0.8)
    top = axes.get_ylim()[1]
    axes.text(boundary / 2, top, "SFT", ha="center", va="bottom")
    axes.text((boundary + axes.get_xlim()[1]) / 2, top, "OCR-GRPO", ha="center", va="bottom")
    axes.set_xlabel("training steps")
    axes.set_ylabel("score on unseen scenes, %")
    axes.legend(loc="lower right", fontsize=8)
    figure.tight_layout()
    figure.savefig(path)
    pyplot.close(figure)

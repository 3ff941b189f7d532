"""Learning curves of SFT and OCR-GRPO (Object-Centric 3D Rollout), from the lines that training logged."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

Lines = list[dict[str, Any]]
TITLES = {"sft": "SFT", "grpo": "OCR-GRPO"}
ACCURACIES = {
    "reward": "reward",
    "vanilla/accuracy": "accuracy, vanilla rollouts",
    "noisy/accuracy": "accuracy, noisy rollouts",
}
COLOURS = {"loss": "#777777", "reward": "#999999", "vanilla/accuracy": "#0072b2", "noisy/accuracy": "#d55e00"}
HELD_OUT = "#009e73"
SMOOTHED = 10
"""Logged values that a point of a noisy curve is the mean of; the values themselves are drawn pale."""


def read_logs(folder: Path, stages: Sequence[str]) -> dict[str, Lines]:
    """Return stage -> its logged lines, of the stages whose file is there; raise ValueError for a line that is none."""
    found = {}
    for stage in stages:
        path = folder / f"{stage}.jsonl"
        if not path.is_file():
            continue
        try:
            found[stage] = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]
        except ValueError as error:
            raise ValueError(f"{path} has a line that is no JSON ({error}); copy it anew") from None
    return found


def series(lines: Lines, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return (steps, values) of the lines that have a value."""
    pairs = [(line["step"], line[name]) for line in lines if line.get(name) is not None]
    steps, values = np.array(pairs, dtype=np.float64).reshape(-1, 2).T
    return steps, values


def smooth(values: np.ndarray, width: int = SMOOTHED) -> np.ndarray:
    """Return (n,) the mean of each value and up to width - 1 before it."""
    total = np.cumsum(np.concatenate([[0.0], values]))
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(ends - width, 0)
    return (total[ends] - total[starts]) / (ends - starts)


def plot_curves(stages: Mapping[str, Lines], path: Path) -> None:
    """Draw one panel a stage: held-out score on the left axis, the same for all; loss or rewards on the right."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    from ocr_hf.data.atomic import replacing

    figure, panels = pyplot.subplots(
        1, len(stages), figsize=(5.6 * len(stages), 4.2), dpi=110, squeeze=False, sharey=True
    )
    for panel, (stage, lines) in zip(panels[0], stages.items(), strict=True):
        minutes = max((line.get("seconds", 0.0) for line in lines), default=0.0) / 60.0
        panel.set_title(TITLES.get(stage, stage) + (f" ({minutes:.0f} min)" if minutes else ""))
        panel.set_xlabel("step")
        _held_out(panel, lines)
        right = panel.twinx()
        names = [name for name in ACCURACIES if len(series(lines, name)[0])] or ["loss"]
        for name in names:
            steps, values = series(lines, name)
            if name != "loss":  # which hardly jumps, and falls so fast at first that a mean would trail behind
                right.plot(steps, values, color=COLOURS[name], alpha=0.2, linewidth=0.8)
                values = smooth(values)
            right.plot(steps, values, color=COLOURS[name], linewidth=1.4, label=ACCURACIES.get(name, name))
        right.set_ylabel("loss" if names == ["loss"] else "of the rollouts, 0 to 1")
        if names == ["loss"]:
            right.set_yscale("log")
        handles = [*panel.get_legend_handles_labels()[0], *right.get_legend_handles_labels()[0]]
        panel.legend(handles=handles, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2)
    figure.tight_layout()
    with replacing(path) as temporary:
        # Without matplotlib's version, so that equal input gives equal bytes
        figure.savefig(temporary, format="png", metadata={"Software": None})
    pyplot.close(figure)


def _held_out(panel: Any, lines: Lines) -> None:
    steps, scores = series(lines, "held_out")
    panel.set_ylabel("score on held-out clips, %")
    if len(steps):
        panel.plot(steps, scores, color=HELD_OUT, marker="o", markersize=3, label="score on held-out clips")

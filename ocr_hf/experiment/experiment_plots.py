"""Plots of the experiments: arms, learning curves and doses, each for a light page and a dark one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ocr_hf.data.themes import Theme
from ocr_hf.vsi_bench.plots import picture, save_plot


def plot_arms(
    scores: Mapping[str, Sequence[float]],
    folder: Path,
    what: str,
    title: str,
    marks: Mapping[str, float],
    name: str = "arms",
) -> str:
    """Draw a share of every model, by arm, and the arm's mean; return the HTML that shows it.

    scores : arm -> share of each of its models, percent, in the order of rows
    what : is shown, in a few words; title : for who can't see the picture; name : of the files
    marks : what a dotted line stands for -> where it is, percent
    """

    def draw(axes: Any, theme: Theme) -> None:
        for row, values in enumerate(scores.values()):
            spread = np.linspace(-0.18, 0.18, len(values)) if len(values) > 1 else [0.0]
            axes.plot(values, row + np.array(spread), "o", color=theme.series[0], markersize=4, alpha=0.6)
            axes.plot([np.mean(values)] * 2, [row - 0.32, row + 0.32], color=theme.series[1], linewidth=2.5)
        for mark in marks.values():
            axes.axvline(mark, color=theme.ink, linewidth=0.8, linestyle=":")
        axes.set_yticks(range(len(scores)), list(scores))
        axes.set_ylim(len(scores) - 0.5, -0.5)
        axes.set_xlim(0, 100)
        dotted = f"; dotted: {', '.join(marks)}" if marks else ""
        axes.set_xlabel(f"{what}, % (dots: models; bar: mean{dotted})")

    save_plot(folder / name, len(scores), draw)
    return picture(f"{folder.name}/{name}", title)


def plot_curves(curves: Mapping[str, Mapping[int, Sequence[float]]], folder: Path) -> str:
    """Draw accuracy in conflicting rooms over training, with the spread of models; return the HTML that shows it.

    curves : arm -> step -> accuracy of each of its models, percent
    """

    def draw(axes: Any, theme: Theme) -> None:
        for number, (arm, points) in enumerate(curves.items()):
            steps = sorted(points)
            values = [np.asarray(points[step], dtype=float) for step in steps]
            mean = np.array([one.mean() for one in values])
            error = np.array([one.std(ddof=1) / np.sqrt(len(one)) if len(one) > 1 else 0.0 for one in values])
            colour, style = theme.series[number % len(theme.series)], "-" if number < len(theme.series) else "--"
            axes.plot(steps, mean, style, color=colour, label=arm, linewidth=1.8)
            axes.fill_between(steps, mean - error, mean + error, color=colour, alpha=0.15, linewidth=0)
        axes.grid(axis="y", color=theme.lines, linewidth=0.6)
        axes.set_ylim(0, 100)
        axes.set_xlabel("step (mean and standard error over models of the accuracy in 250 conflicting rooms, %)")
        axes.legend(fontsize=8, ncols=2, facecolor=theme.paper, edgecolor=theme.lines, labelcolor=theme.ink)

    save_plot(folder / "curves", 9, draw)
    return picture(f"{folder.name}/curves", "Accuracy in conflicting rooms over training")


def plot_doses(doses: Sequence[Mapping[str, Any]], folder: Path) -> str:
    """Draw ocr minus grpo over q, the ratio that predicts its sign; return the HTML that shows it.

    doses : as the verdict tells them
    """

    def draw(axes: Any, theme: Theme) -> None:
        # A ratio of 0 has no logarithm
        places = [max(float(one["ratio"]), 1e-2) for one in doses]
        for place, one in zip(places, doses, strict=True):
            # Hollow where models are missing, for which there is no interval
            if one["interval"]:
                axes.plot([place, place], one["interval"], color=theme.series[0], linewidth=1.5)
            face = theme.series[0] if one["interval"] else "none"
            axes.plot([place], [one["mean"]], "o", color=theme.series[0], markerfacecolor=face, markersize=6)
            axes.annotate(
                one["design"], (place, one["mean"]), (6, 4), textcoords="offset points", color=theme.ink, fontsize=7
            )
        axes.axhline(0.0, color=theme.ink, linewidth=0.8)
        axes.axvline(1.0, color=theme.series[1], linewidth=1.2, linestyle="--")
        axes.set_xscale("log")
        axes.set_xlabel("q; left of the line ocr is predicted to lose, right of it to win")
        axes.set_ylabel("ocr minus grpo, points", color=theme.ink, fontsize=9)

    save_plot(folder / "doses", 8, draw)
    return picture(f"{folder.name}/doses", "ocr minus grpo over q")
